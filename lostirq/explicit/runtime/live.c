/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Liveness: fair strongly connected components of the complete graph (the algorithm of graph_liveness.py, compiled).
 *
 * The graph is stored as successors by state, with edge numbers; an enabled edge without successor (out of range) leads
 * to NOWHERE, since it counts as enabled.  Fairness classes are bits: process p, weak or strong.  For one recurrence,
 * arcs that reach its goal are skipped; each component with a trigger is judged, and one that is unfair only to strong
 * classes is searched again without the states that enable them.  Tarjan's algorithm without recursion. */
#include <stdlib.h>
#include <string.h>

#include "live.h"

#define AHEAD 64

void lq_graph_close(lq_graph *g)
{
    if (!g)
        return;
    free(g->offset);
    free(g->to);
    free(g->edge);
    free(g->goal);
    free(g->trigger);
    free(g->index);
    free(g->low);
    free(g->stack);
    free(g->call);
    free(g->region);
    free(g->pos);
    free(g->member);
    free(g);
}

/* Successors of the states from..from+count-1; the table and the states are asked for ahead of use. */
static int connect(lq_graph *g, lq_expander *x, u64 from, u64 count, u64 *next, u64 *hash, u64 *at)
{
    lq_search *s = g->s;
    const u64 buckets = s->slots / BUCKET - 1, begin = *at;
    u64 n = 0;
    for (u64 i = from; i < from + count; i++) {
        const u32 k = lq_expander_run(x, s->queue + i * W);
        if (*at + k + x->hits.errors > g->room)
            return -1;
        g->offset[i] = *at;
        for (u32 j = 0; j < k; j++) {
            lq_copy(next + (n + j) * W, x->next + (u64)j * W);
            g->edge[*at + j] = (uint16_t)x->edge[j];
            g->to[*at + j] = 0;
            hash[n + j] = lq_hash(x->next + (u64)j * W);
            __builtin_prefetch(s->table + (hash[n + j] & buckets) * BUCKET);
        }
        n += k;
        *at += k;
        for (u32 h = 0; h < x->hits.count; h++) {
            g->edge[*at] = (uint16_t)x->hits.edge[h];
            g->to[(*at)++] = NOWHERE;
        }
    }
    g->offset[from + count] = *at;
    for (u64 i = 0; i < n; i++) {
        const u64 *line = s->table + (hash[i] & buckets) * BUCKET;
        for (int k = 0; k < BUCKET; k++)
            if (line[k] && line[k] >> 32 == hash[i] >> 32)
                __builtin_prefetch(s->queue + ((line[k] & 0xffffffffu) - 1) * W);
    }
    n = 0;
    for (u64 t = begin; t < *at; t++) {
        if (g->to[t] == NOWHERE)
            continue;
        const u64 found = lq_find(s, next + n++ * W);
        if (found == (u64)-1)
            return -1;
        g->to[t] = (u32)found;
    }
    return 0;
}

/* The graph of a complete search.  `fair`: per edge 0 (none), 1 (weak), 2 (strong); `range`: the number of the RANGE
 * check.  NULL: no memory, or stopped. */
lq_graph *lq_graph_open(lq_search *s, const u8 *fair, u32 range)
{
    const u64 n = s->states, m = s->transitions, taken = s->bytes + n * 31 + m * 7;
    if (taken > s->max_bytes || s->model->edges > 0xffff || s->model->processes > 64)
        return NULL;
    if (taken > s->peak_bytes)
        s->peak_bytes = taken;
    lq_graph *g = calloc(1, sizeof *g);
    lq_expander x = {0};
    if (!g)
        return NULL;
    u64 *open = calloc(s->model->checks / 64 + 1, 8);
    g->s = s;
    g->fair = fair;
    g->n = n;
    g->room = m;
    g->offset = malloc((n + 1) * 8);
    g->to = malloc((m + 1) * 4);
    g->edge = malloc((m + 1) * 2);
    g->goal = calloc(m + 1, 1);
    g->trigger = calloc(n, 1);
    g->index = malloc(n * 4);
    g->low = malloc(n * 4);
    g->stack = malloc(n * 4);
    g->call = malloc(n * 4);
    g->region = malloc(n * 4);
    g->pos = malloc(n * 2);
    const u64 width = (u64)AHEAD * (s->model->widest + 1);
    u64 *next = malloc(width * 8 * W), *hash = malloc(width * 8), at = 0;
    int failed = !(open && g->offset && g->to && g->edge && g->goal && g->trigger && g->index && g->low && g->stack &&
                   g->call && g->region && g->pos && next && hash);
    if (!failed) {
        open[range >> 6] |= (u64)1 << (range & 63);
        failed = lq_expander_open(&x, s->model, open);
    }
    for (u64 i = 0; !failed && i < n; i += AHEAD) {
        failed = connect(g, &x, i, n - i < AHEAD ? n - i : AHEAD, next, hash, &at);
        if (__atomic_load_n(&s->stop, __ATOMIC_RELAXED))
            failed = -2;
    }
    lq_expander_close(&x);
    free(open);
    free(next);
    free(hash);
    if (!failed)
        return g;
    lq_graph_close(g);
    return NULL;
}

/* Notes where up to 8 recurrences are triggered and reach their goals; 0: done. */
int lq_graph_label(lq_graph *g, const u32 *trigger, const u32 *goal, u32 count)
{
    lq_search *s = g->s;
    lq_expander x = {0};
    u64 *open = calloc(s->model->checks / 64 + 1, 8);
    int failed = open ? lq_expander_open(&x, s->model, open) : -1;
    for (u32 c = 0; !failed && c < count; c++) {
        open[trigger[c] >> 6] |= (u64)1 << (trigger[c] & 63);
        open[goal[c] >> 6] |= (u64)1 << (goal[c] & 63);
    }
    memset(g->goal, 0, g->room);
    memset(g->trigger, 0, g->n);
    for (u64 i = 0; !failed && i < g->n; i++) {
        lq_expander_run(&x, s->queue + i * W);
        for (u32 h = 0; h < x.hits.count; h++) {
            for (u32 c = 0; c < count; c++) {
                if (x.hits.check[h] == trigger[c])
                    g->trigger[i] |= (u8)(1 << c);
                for (u64 t = g->offset[i]; x.hits.check[h] == goal[c] && t < g->offset[i + 1]; t++)
                    if (g->edge[t] == x.hits.edge[h])
                        g->goal[t] |= (u8)(1 << c);
            }
        }
        if (!(i & 255) && __atomic_load_n(&s->stop, __ATOMIC_RELAXED))
            failed = -2;
    }
    lq_expander_close(&x);
    free(open);
    return failed;
}

lq_classes lq_enabled(const lq_graph *g, u64 v)
{
    lq_classes c = {0, 0};
    for (u64 t = g->offset[v]; t < g->offset[v + 1]; t++)
        lq_take(g, g->edge[t], &c);
    return c;
}

static u32 level_of(const lq_search *s, u64 number)
{
    u32 lo = 0, hi = s->levels - 1;
    while (lo < hi) {
        const u32 mid = (lo + hi + 1) / 2;
        if (s->level[mid] <= number)
            lo = mid;
        else
            hi = mid - 1;
    }
    return lo;
}

/* Is state a a better start of a loop than b: nearer, then less as a number? */
static int better(const lq_search *s, u64 a, u64 b)
{
    const u32 la = level_of(s, a), lb = level_of(s, b);
    for (int w = W - 1; la == lb && w >= 0; w--)
        if (s->queue[a * W + w] != s->queue[b * W + w])
            return s->queue[a * W + w] < s->queue[b * W + w];
    return la < lb;
}

typedef struct {
    u32 *node;
    u64 count;
} part;

typedef struct {
    part *todo;
    u32 parts, room, regions, components;
} work_list;

/* Judges one component, nodes[0..count-1], already popped with low == id and index == NOWHERE. */
static int judge(lq_graph *g, work_list *l, const u32 *node, u64 count, u32 id, u32 which)
{
    lq_classes taken = {0, 0}, somewhere = {0, 0}, everywhere = {~(u64)0, ~(u64)0};
    u64 start = NOWHERE;
    for (u64 i = 0; i < count; i++)
        if (g->trigger[node[i]] >> which & 1 && (start == NOWHERE || better(g->s, node[i], start)))
            start = node[i];
    if (start == NOWHERE)
        return 0;
    for (u64 i = 0; i < count; i++) {
        lq_classes here = {0, 0};
        for (u64 t = g->offset[node[i]]; t < g->offset[node[i] + 1]; t++) {
            const u32 w = g->to[t];
            lq_take(g, g->edge[t], &here);
            if (w != NOWHERE && g->index[w] == NOWHERE && g->low[w] == id && !(g->goal[t] >> which & 1))
                lq_take(g, g->edge[t], &taken);
        }
        somewhere.strong |= here.strong;
        everywhere.weak &= here.weak;
    }
    if (everywhere.weak & ~taken.weak)
        return 0;
    const u64 unfair = somewhere.strong & ~taken.strong;
    if (!unfair) {
        if (g->start != NOWHERE && !better(g->s, start, g->start))
            return 0;
        u32 *member = realloc(g->member, count * 4);
        if (!member)
            return -1;
        memcpy(member, node, count * 4);
        g->member = member;
        g->members = count;
        g->start = start;
        return 0;
    }
    u32 *rest = malloc(count * 4);
    u64 kept = 0;
    if (!rest)
        return -1;
    const u32 region = ++l->regions;
    for (u64 i = 0; i < count; i++) {
        if (!(lq_enabled(g, node[i]).strong & unfair)) {
            rest[kept++] = node[i];
            g->region[node[i]] = region;
        }
    }
    if (l->parts == l->room) {
        part *todo = realloc(l->todo, (l->room + 64) * sizeof *todo);
        if (!todo) {
            free(rest);
            return -1;
        }
        l->todo = todo;
        l->room += 64;
    }
    l->todo[l->parts++] = (part){rest, kept};
    return 0;
}

/* Tarjan's algorithm from `root`, inside its region. */
static int components(lq_graph *g, work_list *l, u32 root, u32 *clock, u32 which)
{
    u64 depth = 0, top = 0;
    const u32 region = g->region[root];
    g->call[depth++] = root;
    g->stack[top++] = root;
    g->index[root] = g->low[root] = ++*clock;
    g->pos[root] = 0;
    while (depth) {
        const u32 v = g->call[depth - 1];
        const u64 t = g->offset[v] + g->pos[v];
        if (t < g->offset[v + 1]) {
            const u32 w = g->to[t];
            g->pos[v]++;
            if (w == NOWHERE || g->goal[t] >> which & 1 || g->region[w] != region)
                continue;
            if (!g->index[w]) {
                g->index[w] = g->low[w] = ++*clock;
                g->pos[w] = 0;
                g->stack[top++] = w;
                g->call[depth++] = w;
            } else if (g->index[w] != NOWHERE && g->index[w] < g->low[v])
                g->low[v] = g->index[w];
            continue;
        }
        depth--;
        if (depth && g->low[v] < g->low[g->call[depth - 1]])
            g->low[g->call[depth - 1]] = g->low[v];
        if (g->low[v] != g->index[v])
            continue;
        const u32 id = ++l->components;
        u64 first = top;
        u32 w;
        do {
            w = g->stack[--first];
            g->index[w] = NOWHERE;
            g->low[w] = id;
        } while (w != v);
        if (judge(g, l, g->stack + first, top - first, id, which))
            return -1;
        top = first;
    }
    return __atomic_load_n(&g->s->stop, __ATOMIC_RELAXED) ? -2 : 0;
}

/* Looks for a fair run that violates recurrence number `which` of the labels.  1: found (members and start are set),
 * 0: none, negative: no memory or stopped. */
int lq_recurrence(lq_graph *g, u32 which)
{
    work_list l = {0};
    int failed = 0;
    u32 clock = 0;
    free(g->member);
    g->member = NULL;
    g->start = NOWHERE;
    u64 triggered = 0;
    for (u64 v = 0; v < g->n; v++)
        triggered += g->trigger[v] >> which & 1;
    if (!triggered)
        return 0;
    memset(g->index, 0, g->n * 4);
    memset(g->region, 0, g->n * 4);
    for (u64 v = 0; !failed && v < g->n; v++)
        if (!g->index[v])
            failed = components(g, &l, (u32)v, &clock, which);
    while (l.parts) {
        const part p = l.todo[--l.parts];
        for (u64 i = 0; i < p.count; i++)
            g->index[p.node[i]] = 0;
        clock = 0;
        for (u64 i = 0; !failed && i < p.count; i++)
            if (!g->index[p.node[i]])
                failed = components(g, &l, p.node[i], &clock, which);
        free(p.node);
    }
    free(l.todo);
    return failed ? failed : g->start != NOWHERE;
}
