/* SPDX-License-Identifier: MIT */
/* libFuzzer's target for lines of disk= and vif=, which people and clients of the API write. */
#include <string.h>
#include "toolstack/backend/disk_line.h"
#include "toolstack/backend/vif_config.h"
#include "tests/fuzz/host/fuzz_host.h"

static void read_disk(const char *text)
{
    char error[DISK_ERROR_MAX] = "";
    struct disk_line line;
    uint32_t number;

    memset(&line, 0xee, sizeof(line));
    if (disk_line_parse(text, &line, error) != 0) {
        expect(error[0] != 0 && memchr(error, 0, sizeof(error)), "what is wrong");
        return;
    }
    expect(memchr(line.target, 0, sizeof(line.target)) && memchr(line.vdev, 0, sizeof(line.vdev)),
           "texts that end");
    expect(line.vdev[0] && disk_vdev_number(line.vdev, &number) == 0 && number == line.number,
           "a number for its name");
    expect(line.format <= DISK_QCOW2, "a format");
    expect(*(uint8_t *)&line.physical <= 1 && *(uint8_t *)&line.read_only <= 1 &&
               *(uint8_t *)&line.shared <= 1 && *(uint8_t *)&line.discard <= 1,
           "all is set");
}

static void read_vif(const char *text)
{
    struct domain_error error = {0};
    struct vif_config config;
    char mac[18];

    memset(&config, 0xee, sizeof(config));
    if (vif_config_parse(text, 0, &config, &error) != 0) {
        expect(error.text[0] != 0, "what is wrong");
        return;
    }
    expect(memchr(config.bridge, 0, sizeof(config.bridge)) &&
               memchr(config.vifname, 0, sizeof(config.vifname)) && memchr(config.ip, 0, sizeof(config.ip)),
           "texts that end");
    expect(config.bridge[0] && config.nr_ips <= BRIDGE_IPS_MAX && config.mtu >= VIF_MTU_MIN &&
               config.mtu <= VIF_MTU_MAX,
           "within bounds");
    expect(!config.has_devid || config.devid <= VIF_DEVID_MAX, "an interface's number");
    expect(config.rate_bytes == 0 || config.rate_us != 0, "a rate has an interval");
    expect(!config.has_mac || !(config.mac[0] & 1), "one interface's address");
    vif_mac_text(config.mac, mac);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text;

    if (size == 0) {
        return 0;
    }
    text = malloc(size);
    expect(text != NULL, "memory");
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    (data[0] & 1 ? read_disk : read_vif)(text);
    free(text);
    return 0;
}
