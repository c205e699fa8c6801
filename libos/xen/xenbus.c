/* SPDX-License-Identifier: MIT */
/* Frontends' states; see coracle/xenbus.h. */
#include "coracle/xenbus.h"
#include <errno.h>
#include <string.h>
#include <xen/io/xenbus.h>
#include "coracle/clock.h"
#include "coracle/init.h"
#include "coracle/sync.h"

#define EXIT_NS 1000000000ul

static struct cor_mutex devices_lock;
static struct cor_xenbus_device *devices; /* open */

/* directory/name as text of size bytes. False: too long. */
static bool join(char *text, size_t size, const char *directory, const char *name)
{
    size_t first = strlen(directory), second = strlen(name);

    if (first + 1 + second + 1 > size) {
        return false;
    }
    memcpy(text, directory, first);
    text[first] = '/';
    memcpy(text + first + 1, name, second + 1);
    return true;
}

int cor_xenbus_open(struct cor_xenbus_device *device, const char *frontend)
{
    char path[COR_XENBUS_PATH + 16];
    long length;
    int error;

    memset(device, 0, sizeof(*device));
    if (strlen(frontend) >= sizeof(device->frontend)) {
        return -ENAMETOOLONG;
    }
    strcpy(device->frontend, frontend);
    join(path, sizeof(path), frontend, "backend");
    length = cor_store_read(0, path, device->backend, sizeof(device->backend));
    if (length < 0 || (size_t)length >= sizeof(device->backend)) {
        return length < 0 ? (int)length : -ENAMETOOLONG;
    }
    join(path, sizeof(path), frontend, "backend-id");
    device->backend_id = (uint16_t)cor_store_read_number(0, path, 0);
    join(device->backend_state, sizeof(device->backend_state), device->backend, "state");
    device->watch.path = device->backend_state;
    error = cor_store_watch(&device->watch);
    if (error) {
        return error;
    }
    cor_mutex_lock(&devices_lock);
    device->next = devices;
    devices = device;
    cor_mutex_unlock(&devices_lock);
    return 0;
}

int cor_xenbus_backend_state(const struct cor_xenbus_device *device)
{
    long state = cor_store_read_number(0, device->backend_state, XenbusStateUnknown);

    return state < 0 || state > XenbusStateReconfigured ? XenbusStateUnknown : (int)state;
}

int cor_xenbus_wait(struct cor_xenbus_device *device, unsigned states, uint64_t deadline)
{
    for (;;) {
        uint32_t seen = __atomic_load_n(&device->watch.count, __ATOMIC_ACQUIRE);
        int state = cor_xenbus_backend_state(device), result;

        if (states & COR_XENBUS_STATE(state)) {
            return state;
        }
        if (state == XenbusStateUnknown) {
            return -ENODEV;
        }
        result = cor_wait(&device->watch.count, seen, deadline, 0);
        if (result == -ETIMEDOUT || result == -EINTR) {
            return result;
        }
    }
}

int cor_xenbus_set_state(const struct cor_xenbus_device *device, int state)
{
    char path[COR_XENBUS_PATH + 8];

    join(path, sizeof(path), device->frontend, "state");
    return cor_store_printf(0, path, "%d", state);
}

long cor_xenbus_backend_number(const struct cor_xenbus_device *device, const char *name, long fallback)
{
    char path[2 * COR_XENBUS_PATH];

    return join(path, sizeof(path), device->backend, name) ? cor_store_read_number(0, path, fallback)
                                                           : fallback;
}

int cor_xenbus_close(struct cor_xenbus_device *device, uint64_t deadline)
{
    struct cor_xenbus_device **place = &devices;
    int state, error;

    cor_mutex_lock(&devices_lock);
    while (*place && *place != device) {
        place = &(*place)->next;
    }
    if (*place) {
        *place = device->next;
    }
    cor_mutex_unlock(&devices_lock);

    error = cor_xenbus_set_state(device, XenbusStateClosing);
    state = cor_xenbus_wait(device,
                            COR_XENBUS_STATE(XenbusStateClosing) | COR_XENBUS_STATE(XenbusStateClosed) |
                                COR_XENBUS_STATE(XenbusStateInitWait) | COR_XENBUS_STATE(XenbusStateUnknown),
                            deadline);
    if (!error) {
        error = cor_xenbus_set_state(device, XenbusStateClosed);
    }
    if (state == XenbusStateClosing) {
        state = cor_xenbus_wait(device,
                                COR_XENBUS_STATE(XenbusStateClosed) | COR_XENBUS_STATE(XenbusStateInitWait) |
                                    COR_XENBUS_STATE(XenbusStateUnknown),
                                deadline);
    }
    cor_store_unwatch(&device->watch);
    return state < 0 ? state : error;
}

void cor_devices_exit(void)
{
    uint64_t deadline;

    if (devices) {
        deadline = cor_monotonic_ns() + EXIT_NS;
        while (devices) {
            cor_xenbus_close(devices, deadline);
        }
    }
}
