/* SPDX-License-Identifier: MIT */
/* The scenarios of split.c, which run only when they are named. They print `bench NAME NUMBER`. */
#ifndef TESTS_BENCH_SPLIT_SPLIT_H
#define TESTS_BENCH_SPLIT_SPLIT_H

void scenario_bench_net(void);
void scenario_bench_syn(void);
void scenario_bench_idle(void);
void scenario_bench_blk(void);

#endif
