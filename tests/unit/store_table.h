/* SPDX-License-Identifier: MIT */
/*
 * The libOS's client of the store as test_netfront.c needs it: a table, its watches, and what a toolstack
 * does there.
 */
#ifndef TESTS_UNIT_STORE_TABLE_H
#define TESTS_UNIT_STORE_TABLE_H

static pthread_mutex_t store_lock = PTHREAD_MUTEX_INITIALIZER;
static struct node {
    char path[160], value[64];
} nodes[100];
static unsigned node_count, transactions;
static int conflicts; /* so many transactions fail with EAGAIN */
static struct cor_store_watch *watches;

static struct node *find_node(const char *path)
{
    for (unsigned i = 0; i < node_count; i++) {
        if (!strcmp(nodes[i].path, path))
            return &nodes[i];
    }
    return NULL;
}

static bool below(const char *path, const char *top)
{
    size_t length = strlen(top);

    return !strncmp(path, top, length) && (!path[length] || path[length] == '/');
}

static void fire(const char *path)
{
    for (struct cor_store_watch *watch = watches; watch; watch = watch->next) {
        if (below(path, watch->path)) {
            __atomic_fetch_add(&watch->count, 1, __ATOMIC_SEQ_CST);
            if (watch->changed)
                watch->changed(watch, path);
        }
    }
}

static bool quiet; /* a transaction of the toolstack: nobody is told before its end; guarded by store_lock */

static void put(const char *path, const char *value)
{
    struct node *node;

    pthread_mutex_lock(&store_lock);
    node = find_node(path);
    if (!node)
        node = &nodes[node_count++];
    snprintf(node->path, sizeof(node->path), "%s", path);
    snprintf(node->value, sizeof(node->value), "%s", value);
    if (!quiet)
        fire(path);
    pthread_mutex_unlock(&store_lock);
}

static void drop_below(const char *top)
{
    pthread_mutex_lock(&store_lock);
    for (unsigned i = 0; i < node_count;) {
        if (below(nodes[i].path, top))
            nodes[i] = nodes[--node_count];
        else
            i++;
    }
    fire(top);
    pthread_mutex_unlock(&store_lock);
}

static const char *value_of(const char *path)
{
    static char value[64];
    struct node *node;

    pthread_mutex_lock(&store_lock);
    node = find_node(path);
    snprintf(value, sizeof(value), "%s", node ? node->value : "(none)");
    pthread_mutex_unlock(&store_lock);
    return value;
}

bool cor_store_present(void)
{
    return true;
}

long cor_store_read(uint32_t transaction, const char *path, char *value, size_t size)
{
    struct node *node;
    long result = -ENOENT;

    (void)transaction;
    pthread_mutex_lock(&store_lock);
    node = find_node(path);
    if (node) {
        snprintf(value, size, "%s", node->value);
        result = (long)strlen(node->value);
    }
    pthread_mutex_unlock(&store_lock);
    return result;
}

long cor_store_read_number(uint32_t transaction, const char *path, long fallback)
{
    char value[64];

    return cor_store_read(transaction, path, value, sizeof(value)) < 0 ? fallback : strtol(value, NULL, 0);
}

int cor_store_printf(uint32_t transaction, const char *path, const char *format, ...)
{
    char value[64];
    va_list args;

    (void)transaction;
    va_start(args, format);
    vsnprintf(value, sizeof(value), format, args);
    va_end(args);
    put(path, value);
    return 0;
}

int cor_store_remove(uint32_t transaction, const char *path)
{
    (void)transaction;
    drop_below(path);
    return 0;
}

long cor_store_directory(uint32_t transaction, const char *path, char *names, size_t size)
{
    size_t used = 0, length = strlen(path);

    (void)transaction;
    pthread_mutex_lock(&store_lock);
    for (unsigned i = 0; i < node_count; i++) {
        const char *name = nodes[i].path + length + 1;
        size_t n = below(nodes[i].path, path) && nodes[i].path[length] ? strcspn(name, "/") : 0;
        bool known = false;

        for (const char *c = names; c < names + used; c += strlen(c) + 1)
            known |= strlen(c) == n && !strncmp(c, name, n);
        if (n && !known && used + n + 1 <= size) {
            memcpy(names + used, name, n);
            names[used + n] = '\0';
            used += n + 1;
        }
    }
    pthread_mutex_unlock(&store_lock);
    return used ? (long)used : -ENOENT;
}

int cor_store_begin(uint32_t *transaction)
{
    *transaction = ++transactions;
    return 0;
}

int cor_store_end(uint32_t transaction, bool commit)
{
    (void)transaction, (void)commit;
    return conflicts-- > 0 ? -EAGAIN : 0;
}

int cor_store_watch(struct cor_store_watch *watch)
{
    pthread_mutex_lock(&store_lock);
    watch->next = watches;
    watches = watch;
    pthread_mutex_unlock(&store_lock);
    return 0;
}

int cor_store_unwatch(struct cor_store_watch *watch)
{
    struct cor_store_watch **link = &watches;

    pthread_mutex_lock(&store_lock);
    while (*link && *link != watch)
        link = &(*link)->next;
    assert_non_null(*link);
    *link = watch->next;
    pthread_mutex_unlock(&store_lock);
    return 0;
}

#endif
