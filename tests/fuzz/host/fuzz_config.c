/* SPDX-License-Identifier: MIT */
/* libFuzzer's target for configurations of domains: JSON, names, lists of processors. */
#include <errno.h>
#include <string.h>
#include "toolstack/control/config_json.h"
#include "toolstack/control/names.h"
#include "tests/fuzz/host/fuzz_host.h"

static void check_cpus(const char *text, unsigned nr_cpus)
{
    uint8_t *map = malloc((nr_cpus + 7) / 8);
    unsigned any = 0;

    expect(map != NULL, "there is memory");
    if (cpus_parse(text, nr_cpus, map) == 0) {
        for (unsigned i = 0; i < (nr_cpus + 7) / 8 * 8; i++) {
            unsigned bit = map[i / 8] >> i % 8 & 1;

            expect(!bit || i < nr_cpus, "only processors that exist");
            any |= bit;
        }
        expect(any, "one at least");
    }
    free(map);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct domain_config config, copy;
    struct domain_error error = {0};
    cJSON *json;

    expect(text != NULL, "there is memory");
    memcpy(text, data, size);
    text[size] = 0;
    domain_name_valid(text);
    image_name_valid(text);
    for (unsigned nr_cpus = 1; nr_cpus <= CPUS_MAX; nr_cpus += 51) {
        check_cpus(text, nr_cpus);
    }
    json = cJSON_Parse(text);
    if (json && config_from_json(json, &config, &error)) {
        if (domain_config_check(&config, &error) == 0) {
            expect(domain_name_valid(config.name) && config.vcpus <= CONFIG_VCPUS, "what was checked is so");
        } else {
            expect(error.error == -EINVAL && memchr(error.text, 0, sizeof(error.text)), "says what is wrong");
        }
        if (domain_config_copy(&copy, &config)) {
            domain_config_free(&copy);
        }
        domain_config_free(&config);
    } else if (json) {
        expect(error.error == -EINVAL || error.error == -ENOMEM, "says what is wrong");
    }
    cJSON_Delete(json);
    free(text);
    return 0;
}
