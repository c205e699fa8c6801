/* SPDX-License-Identifier: MIT */
/* What follows when a run ends: pure decisions. */
#ifndef TOOLSTACK_CONTROL_POLICY_H
#define TOOLSTACK_CONTROL_POLICY_H

#include "toolstack/control/domain.h"

/* A run that ends within this time of its start is a quick one; so many in a row are a storm. */
#define POLICY_QUICK_NS    1000000000ull
#define POLICY_QUICK_LIMIT 5u

/*
 * What the configuration wants for SHUTDOWN_* reason. A domain that stopped to be suspended is preserved:
 * nobody here can save it. What the ABI does not know, or what cannot be done (a soft reset), counts as a
 * crash.
 */
enum domain_action policy_action(const struct domain_config *config, unsigned reason);

/*
 * A run that is to be restarted has lasted lasted_ns: counts quick ones in *quick; true when there have been
 * too many in a row, and a restart would only go on with it.
 */
bool policy_storm(unsigned *quick, uint64_t lasted_ns);

#endif
