/* SPDX-License-Identifier: MIT */
/* Copies of configurations (struct domain_config, domain.h). */
#include <stdlib.h>
#include <string.h>
#include "toolstack/control/domain.h"

static void free_devices(struct domain_device *devices, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(devices[i].text);
    }
    free(devices);
}

void domain_config_free(struct domain_config *config)
{
    free(config->name);
    free(config->kernel);
    free(config->ramdisk);
    free(config->cmdline);
    free(config->cpus);
    free_devices(config->vifs, config->nr_vifs);
    free_devices(config->disks, config->nr_disks);
    memset(config, 0, sizeof(*config));
}

static bool copy_text(char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return !from || *to;
}

static bool copy_devices(struct domain_device **to, size_t *nr_to, const struct domain_device *from,
                         size_t count)
{
    *to = count ? calloc(count, sizeof(**to)) : NULL;
    *nr_to = *to ? count : 0;
    if (count && !*to) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!copy_text(&(*to)[i].text, from[i].text)) {
            return false;
        }
    }
    return true;
}

bool domain_config_copy(struct domain_config *to, const struct domain_config *from)
{
    bool done;

    *to = *from;
    to->vifs = to->disks = NULL;
    to->nr_vifs = to->nr_disks = 0;
    /* All of them, whatever fails: what remains is the copy's own, to be freed. */
    done = copy_text(&to->name, from->name);
    done = copy_text(&to->kernel, from->kernel) && done;
    done = copy_text(&to->ramdisk, from->ramdisk) && done;
    done = copy_text(&to->cmdline, from->cmdline) && done;
    done = copy_text(&to->cpus, from->cpus) && done;
    done = copy_devices(&to->vifs, &to->nr_vifs, from->vifs, from->nr_vifs) && done;
    done = copy_devices(&to->disks, &to->nr_disks, from->disks, from->nr_disks) && done;
    if (!done) {
        domain_config_free(to);
    }
    return done;
}
