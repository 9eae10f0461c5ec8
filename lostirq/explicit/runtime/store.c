/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory, the table of states, and small sets of states. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime.h"

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif
#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

#define HUGE ((u64)2 << 20)

/* Zeroed pages, reserved but not yet taken; NULL if there is not enough address space.  `bytes` is rounded by the
 * kernel only, so unmap with the same number. */
void *lq_map(u64 bytes, int huge)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return NULL;
#ifdef MADV_HUGEPAGE
    if (huge && bytes >= 2 * HUGE)
        madvise(at, bytes, MADV_HUGEPAGE);
#endif
    return at;
}

void lq_unmap(void *at, u64 bytes)
{
    if (at)
        munmap(at, bytes);
}

/* Reserves the queue and a first table.  0: done, -1: no memory. */
int lq_open(lq_search *s)
{
    u64 room = s->max_bytes / (8 * W) + 1;
    if (s->max_states && s->max_states < room)
        room = s->max_states;
    room += (64 * (u64)s->model->widest + 8192) * (s->threads + 1);
    if (room > 0xfffffff0u)
        room = 0xfffffff0u;
    for (; room > 4096; room /= 2) {
        s->queue_bytes = room * 8 * W;
        s->queue = lq_map(s->queue_bytes, 1);
        if (s->queue)
            break;
    }
    s->capacity = room;
    return s->queue && lq_grow(s, (u64)1 << 15) == 0 ? 0 : -1;
}

/* Replaces the table by one with `slots` slots and enters all states in order. */
int lq_grow(lq_search *s, u64 slots)
{
    lq_unmap(s->table, s->slots * 8);
    s->table = lq_map(slots * 8, 1);
    s->slots = s->table ? slots : 0;
    if (!s->table)
        return -1;
    const u64 buckets = slots / BUCKET - 1, ahead = 16;
    u64 hash[16];
    for (u64 i = 0; i < s->states + ahead; i++) {
        if (i >= ahead) {
            const u64 h = hash[i % ahead];
            u64 b = h & buckets;
            for (;;) {
                u64 *line = s->table + b * BUCKET;
                int k = 0;
                while (k < BUCKET && line[k])
                    k++;
                if (k < BUCKET) {
                    line[k] = (h >> 32 << 32) | (i - ahead + 1);
                    break;
                }
                b = (b + 1) & buckets;
            }
        }
        if (i < s->states) {
            hash[i % ahead] = lq_hash(s->queue + i * W);
            __builtin_prefetch(s->table + (hash[i % ahead] & buckets) * BUCKET, 1);
        }
    }
    return 0;
}

u64 lq_find(const lq_search *s, const u64 *state)
{
    const u64 h = lq_hash(state), buckets = s->slots / BUCKET - 1;
    for (u64 b = h & buckets;; b = (b + 1) & buckets) {
        const u64 *line = s->table + b * BUCKET;
        for (int k = 0; k < BUCKET; k++) {
            if (!line[k])
                return (u64)-1;
            if (line[k] >> 32 == h >> 32) {
                const u64 number = (line[k] & 0xffffffffu) - 1;
                if (lq_same(s->queue + number * W, state))
                    return number;
            }
        }
    }
}

/* -- small sets: open addressing over state numbers ---------------------------------------------------------------- */

int lq_set_open(lq_set *set, u64 expected, const u64 *states)
{
    u64 slots = 64;
    while (slots < expected * 2)
        slots *= 2;
    set->slot = calloc(slots, 8);
    set->slots = set->slot ? slots : 0;
    set->used = 0;
    set->states = states;
    return set->slot ? 0 : -1;
}

static int set_double(lq_set *set)
{
    u64 *old = set->slot, slots = set->slots;
    u64 *slot = calloc(slots * 2, 8);
    if (!slot)
        return -1;
    for (u64 i = 0; i < slots; i++) {
        if (old[i]) {
            u64 at = lq_hash(set->states + ((old[i] & 0xffffffffu) - 1) * W) & (slots * 2 - 1);
            while (slot[at])
                at = (at + 1) & (slots * 2 - 1);
            slot[at] = old[i];
        }
    }
    free(old);
    set->slot = slot;
    set->slots = slots * 2;
    return 0;
}

int lq_set_add(lq_set *set, u64 number)
{
    const u64 *state = set->states + number * W;
    if (set->used * 2 >= set->slots && set_double(set))
        return -1;
    const u64 h = lq_hash(state), mask = set->slots - 1;
    for (u64 at = h & mask;; at = (at + 1) & mask) {
        const u64 found = set->slot[at];
        if (!found) {
            set->slot[at] = (h >> 32 << 32) | (number + 1);
            set->used++;
            return 1;
        }
        if (found >> 32 == h >> 32 && lq_same(set->states + ((found & 0xffffffffu) - 1) * W, state))
            return 0;
    }
}

u64 lq_set_find(const lq_set *set, const u64 *state)
{
    const u64 h = lq_hash(state), mask = set->slots - 1;
    for (u64 at = h & mask;; at = (at + 1) & mask) {
        const u64 found = set->slot[at];
        if (!found)
            return (u64)-1;
        const u64 number = (found & 0xffffffffu) - 1;
        if (found >> 32 == h >> 32 && lq_same(set->states + number * W, state))
            return number;
    }
}

void lq_set_close(lq_set *set)
{
    free(set->slot);
    memset(set, 0, sizeof *set);
}

/* -- expansion of single states ------------------------------------------------------------------------------------ */

int lq_expander_open(lq_expander *x, const lq_model *m, const u64 *open)
{
    memset(x, 0, sizeof *x);
    x->model = m;
    x->next = malloc(8 * W * ((u64)m->widest + 1));
    x->canon = m->canon ? malloc(8 * W * ((u64)m->widest + 1)) : x->next;
    x->edge = malloc(4 * ((u64)m->widest + 1));
    x->hits.check = malloc(4 * ((u64)m->most_hits + 1));
    x->hits.edge = malloc(4 * ((u64)m->most_hits + 1));
    x->hits.open = open;
    return x->next && x->canon && x->edge && x->hits.check && x->hits.edge ? 0 : -1;
}

u32 lq_expander_run(lq_expander *x, const u64 *state)
{
    const u32 n = x->model->expand(state, x->next, x->edge, &x->hits);
    if (x->model->canon) {
        memcpy(x->canon, x->next, 8 * W * (u64)n);
        x->model->canon(x->canon, n);
    }
    return n;
}

void lq_expander_close(lq_expander *x)
{
    if (x->canon != x->next)
        free(x->canon);
    free(x->next);
    free(x->edge);
    free(x->hits.check);
    free(x->hits.edge);
    memset(x, 0, sizeof *x);
}
