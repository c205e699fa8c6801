/* SPDX-License-Identifier: MIT */
#include "toolstack/cli/network.h"

enum network_key { KEY_NIC = 1024 };

static const struct argp_option options[] = {
    {"publish", 'p', "[ADDRESS:]PORT:GUEST[/udp]", 0,
     "PORT of this machine (127.0.0.1) leads to the port GUEST of the first guest on the network", 2},
    {"nic", KEY_NIC, "MODEL", 0, "QEMU's network card, such as e1000 (default: " DEFAULT_NIC ")", 2},
    {0},
};

static void add_forward(struct argp_state *state, struct network_request *network, const char *argument)
{
    if (network->nr_forwards == FORWARDS_MAX)
        argp_error(state, "-p %s: expected at most %d of these", argument, FORWARDS_MAX);
    if (!forward_parse(argument, &network->forwards[network->nr_forwards]))
        argp_error(state, "-p %s: expected [ADDRESS:]PORT:GUEST[/udp], such as 8080:80", argument);
    network->nr_forwards++;
    if (network->model == NULL)
        network->model = DEFAULT_NIC;
}

static error_t parse_network(int key, char *argument, struct argp_state *state)
{
    struct network_request *network = state->input;

    switch (key) {
    case 'p':
        add_forward(state, network, argument);
        return 0;
    case KEY_NIC:
        network->model = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp network_argp = {.options = options, .parser = parse_network};

int network_check(const struct network_request *network)
{
    int result = 0;

    for (unsigned i = 0; i < network->nr_forwards; i++) {
        if (forward_check(&network->forwards[i]) != 0)
            result = -1;
    }
    return result;
}
