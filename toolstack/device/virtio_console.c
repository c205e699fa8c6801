/* SPDX-License-Identifier: MIT */
/*
 * The virtio console as a line (line.h; virtio 1.1, 5.3): port 0 of the first such device, without the
 * multiport feature. The device always has RECEIVE_PAGES to fill; of what is sent at most SEND_PAGES are on
 * their way.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include "coracle/mem.h"
#include "toolstack/device/drivers.h"
#include "toolstack/device/line.h"
#include "toolstack/device/virtio.h"

#define RECEIVE_PAGES 16u
#define SEND_PAGES    16u
#define QUEUE_RECEIVE 0u
#define QUEUE_SEND    1u

static struct {
    bool found, open;
    struct device device;
    struct virtio virtio;
    struct virtqueue receive, send;
    const struct line_ops *ops;
    char *pages;              /* RECEIVE_PAGES, then SEND_PAGES */
    char *unused[SEND_PAGES]; /* pages that nothing is sent from */
    unsigned nr_unused;
} console;

/* One page (of which length bytes count) into a queue that has room for all pages. */
static void submit(struct virtqueue *queue, char *page, size_t length, bool in)
{
    struct dma_segment segment;

    dma_map(page, length, &segment, 1);
    virtqueue_add(queue, &segment, !in, in, page);
}

static void handle_receive(struct virtqueue *queue)
{
    char *page;
    uint32_t written;
    bool any = false;

    while ((page = virtqueue_get(queue, &written)) != NULL) {
        console.ops->received(page, written < COR_PAGE_SIZE ? written : COR_PAGE_SIZE);
        submit(queue, page, COR_PAGE_SIZE, true);
        any = true;
    }
    if (any) {
        virtqueue_kick(queue);
    }
}

/* Sends what there is, as far as pages go. */
static void send_more(void)
{
    bool any = false;

    while (console.nr_unused) {
        char *page = console.unused[console.nr_unused - 1];
        size_t length = console.ops->fetch(page, COR_PAGE_SIZE);

        if (length == 0) {
            break;
        }
        console.nr_unused--;
        submit(&console.send, page, length, false);
        any = true;
    }
    if (any) {
        virtqueue_kick(&console.send);
    }
}

static void handle_send(struct virtqueue *queue)
{
    char *page;
    uint32_t written;

    while ((page = virtqueue_get(queue, &written)) != NULL) {
        console.unused[console.nr_unused++] = page;
    }
    send_more();
}

static void console_kick(void)
{
    if (console.open) {
        send_more();
    }
}

/* Device and queues; after an error nothing is left. */
static int start_device(void)
{
    int error = virtio_open(&console.virtio, &console.device.pci, VIRTIO_F_VERSION_1);

    if (error) {
        return error;
    }
    console.receive.handle = handle_receive;
    console.send.handle = handle_send;
    error = virtio_queue_open(&console.virtio, &console.receive, QUEUE_RECEIVE);
    error = error ? error : virtio_queue_open(&console.virtio, &console.send, QUEUE_SEND);
    if (!error && (console.receive.size < RECEIVE_PAGES || console.send.size < SEND_PAGES)) {
        error = -ENOTSUP;
    }
    error = error ? error : virtio_go(&console.virtio);
    if (error) {
        virtio_close(&console.virtio);
    }
    return error;
}

static int console_open(const struct line_ops *ops)
{
    int error;

    if (!console.found) {
        return -ENODEV;
    }
    console.pages =
        cor_map((size_t)(RECEIVE_PAGES + SEND_PAGES) * COR_PAGE_SIZE, COR_PROT_READ | COR_PROT_WRITE);
    if (!console.pages) {
        return -ENOMEM;
    }
    console.ops = ops;
    for (unsigned i = 0; i < SEND_PAGES; i++) {
        console.unused[console.nr_unused++] = console.pages + (RECEIVE_PAGES + i) * COR_PAGE_SIZE;
    }
    error = start_device();
    if (error) {
        cor_unmap(console.pages, (size_t)(RECEIVE_PAGES + SEND_PAGES) * COR_PAGE_SIZE);
        console.nr_unused = 0;
        return error;
    }
    console.open = true;
    for (unsigned i = 0; i < RECEIVE_PAGES; i++) {
        submit(&console.receive, console.pages + i * COR_PAGE_SIZE, COR_PAGE_SIZE, true);
    }
    virtqueue_kick(&console.receive);
    send_more();
    return 0;
}

/* Whoever has the line hears no more of it. */
static void gone(struct device *device)
{
    (void)device;
    if (console.open) {
        virtio_close(&console.virtio);
        while (virtqueue_take_back(&console.receive)) {
        }
        while (virtqueue_take_back(&console.send)) {
        }
        cor_unmap(console.pages, (size_t)(RECEIVE_PAGES + SEND_PAGES) * COR_PAGE_SIZE);
        console.nr_unused = 0;
    }
    console.open = console.found = false;
}

int virtio_console_start(const struct pci_device *pci)
{
    if (virtio_type(pci) != VIRTIO_CONSOLE || console.found) {
        return -ENOTSUP;
    }
    console.found = true;
    device_enter(&console.device, pci, gone);
    return 0;
}

const struct line virtio_console_line = {"virtio console", console_open, console_kick};
