/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Liveness: fair strongly connected components of the complete graph (the algorithm of graph_liveness.py, compiled).
 *
 * The graph is stored as successors by state, with edge numbers; an enabled edge without successor (out of range) leads
 * to NOWHERE, since it counts as enabled.  Fairness classes are bits, up to 64 of each kind.  For one recurrence,
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
    lq_unmap(g->arc, g->room * sizeof *g->arc);
    lq_unmap(g->node, g->n * sizeof *g->node);
    free(g->trigger);
    free(g->stack);
    free(g->call);
    free(g->member);
    free(g);
}

/* Notes what the hits of state v say about triggers and goals. */
static void label(lq_graph *g, u64 v, const lq_hits *h, const lq_labels *l)
{
    lq_arc *const arc = g->arc + g->node[v].first;
    for (u32 i = 0; i < h->count; i++) {
        for (u32 c = 0; c < l->count; c++) {
            if (h->check[i] == l->trigger[c])
                g->trigger[v] |= (u8)(1 << c);
            for (u32 t = 0; h->check[i] == l->goal[c] && t < g->node[v].degree; t++)
                if (arc[t].edge == h->edge[i])
                    arc[t].goal |= (u8)(1 << c);
        }
    }
}

/* Successors of the states from..from+count-1; the table and the states are asked for ahead of use. */
static int connect(lq_graph *g, lq_expander *x, u64 from, u64 count, u64 *next, u64 *hash, u64 *at, u32 range,
                   const lq_labels *l)
{
    lq_search *s = g->s;
    const u64 buckets = s->slots / BUCKET - 1, begin = *at;
    u64 n = 0;
    for (u64 v = from; v < from + count; v++) {
        const u32 k = lq_expander_run(x, s->queue + v * W);
        if (*at + k + x->hits.errors > g->room)
            return -1;
        g->node[v].first = *at;
        g->node[v].degree = (uint16_t)(k + x->hits.errors);
        for (u32 j = 0; j < k; j++) {
            lq_copy(next + (n + j) * W, x->next + (u64)j * W);
            g->arc[(*at)++].edge = (uint16_t)x->edge[j];
            hash[n + j] = lq_hash(x->next + (u64)j * W);
            __builtin_prefetch(s->table + (hash[n + j] & buckets) * BUCKET);
        }
        n += k;
        for (u32 h = 0; h < x->hits.count; h++)
            if (x->hits.check[h] == range)
                g->arc[(*at)++] = (lq_arc){NOWHERE, (uint16_t)x->hits.edge[h], 0, 0};
        label(g, v, &x->hits, l);
    }
    for (u64 i = 0; i < n; i++) {
        const u64 *line = s->table + (hash[i] & buckets) * BUCKET;
        for (int k = 0; k < BUCKET; k++)
            if (line[k] && line[k] >> 32 == hash[i] >> 32)
                __builtin_prefetch(s->queue + ((line[k] & 0xffffffffu) - 1) * W);
    }
    n = 0;
    for (u64 t = begin; t < *at; t++) {
        if (g->arc[t].to == NOWHERE)
            continue;
        const u64 found = lq_find(s, next + n++ * W);
        if (found == (u64)-1)
            return -1;
        g->arc[t].to = (u32)found;
    }
    return 0;
}

static void open_labels(u64 *open, const lq_labels *l)
{
    for (u32 c = 0; c < l->count; c++) {
        open[l->trigger[c] >> 6] |= (u64)1 << (l->trigger[c] & 63);
        open[l->goal[c] >> 6] |= (u64)1 << (l->goal[c] & 63);
    }
}

/* The graph of a complete search, labelled for some recurrences.  `fair`: see lq_graph;
 * `range`: the number of the RANGE check.  NULL: no memory, or stopped. */
lq_graph *lq_graph_open(lq_search *s, const u8 *fair, u32 range, const lq_labels *l)
{
    const u64 n = s->states, m = s->transitions;
    const u64 taken = s->bytes + n * (sizeof(lq_node) + 9) + m * sizeof(lq_arc);
    if (taken > s->max_bytes || s->model->edges > 0xffff)
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
    g->room = m + 1;
    g->arc = lq_map(g->room * sizeof *g->arc, 1);
    g->node = lq_map(n * sizeof *g->node, 1);
    g->trigger = calloc(n, 1);
    g->stack = malloc(n * 4);
    g->call = malloc(n * 4);
    const u64 width = (u64)AHEAD * (s->model->widest + 1);
    u64 *next = malloc(width * 8 * W), *hash = malloc(width * 8), at = 0;
    int failed = !(open && g->arc && g->node && g->trigger && g->stack && g->call && next && hash);
    if (!failed) {
        open[range >> 6] |= (u64)1 << (range & 63);
        open_labels(open, l);
        failed = lq_expander_open(&x, s->model, open);
    }
    for (u64 v = 0; !failed && v < n; v += AHEAD) {
        failed = connect(g, &x, v, n - v < AHEAD ? n - v : AHEAD, next, hash, &at, range, l);
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

/* Labels the graph for other recurrences; 0: done. */
int lq_graph_label(lq_graph *g, const lq_labels *l)
{
    lq_search *s = g->s;
    lq_expander x = {0};
    u64 *open = calloc(s->model->checks / 64 + 1, 8);
    int failed = open ? lq_expander_open(&x, s->model, open) : -1;
    if (!failed)
        open_labels(open, l);
    for (u64 t = 0; t < g->room; t++)
        g->arc[t].goal = 0;
    memset(g->trigger, 0, g->n);
    for (u64 v = 0; !failed && v < g->n; v++) {
        lq_expander_run(&x, s->queue + v * W);
        label(g, v, &x.hits, l);
        if (!(v & 255) && __atomic_load_n(&s->stop, __ATOMIC_RELAXED))
            failed = -2;
    }
    lq_expander_close(&x);
    free(open);
    return failed;
}

lq_classes lq_enabled(const lq_graph *g, u64 v)
{
    lq_classes c = {0, 0};
    const lq_arc *const arc = lq_arcs(g, v);
    for (u32 t = 0; t < g->node[v].degree; t++)
        lq_take(g, arc[t].edge, &c);
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
        const lq_arc *arc = lq_arcs(g, node[i]), *const end = arc + g->node[node[i]].degree;
        for (; arc < end; arc++) {
            const u32 w = arc->to;
            lq_take(g, arc->edge, &here);
            if (w != NOWHERE && g->node[w].index == NOWHERE && g->node[w].low == id && !(arc->goal >> which & 1))
                lq_take(g, arc->edge, &taken);
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
            g->node[node[i]].region = region;
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

static inline void enter_node(lq_graph *g, u32 v, u32 *clock, u64 *depth, u64 *top)
{
    lq_node *n = g->node + v;
    n->index = n->low = ++*clock;
    n->pos = 0;
    g->stack[(*top)++] = v;
    g->call[(*depth)++] = v;
    const lq_arc *const arc = lq_arcs(g, v);
    for (u32 t = 0; t < n->degree; t++)
        __builtin_prefetch(g->node + arc[t].to, 1);
}

/* Tarjan's algorithm from `root`, inside its region. */
static int components(lq_graph *g, work_list *l, u32 root, u32 *clock, u32 which)
{
    u64 depth = 0, top = 0;
    const u32 region = g->node[root].region;
    enter_node(g, root, clock, &depth, &top);
    while (depth) {
        const u32 v = g->call[depth - 1];
        lq_node *const here = g->node + v;
        if (here->pos < here->degree) {
            const lq_arc *const arc = g->arc + here->first + here->pos++;
            const u32 w = arc->to;
            if (w == NOWHERE || arc->goal >> which & 1)
                continue;
            const lq_node *const there = g->node + w;
            if (there->region != region)
                continue;
            if (!there->index)
                enter_node(g, w, clock, &depth, &top);
            else if (there->index != NOWHERE && there->index < here->low)
                here->low = there->index;
            continue;
        }
        depth--;
        if (depth && here->low < g->node[g->call[depth - 1]].low)
            g->node[g->call[depth - 1]].low = here->low;
        if (here->low != here->index)
            continue;
        const u32 id = ++l->components;
        u64 first = top;
        u32 w;
        do {
            w = g->stack[--first];
            g->node[w].index = NOWHERE;
            g->node[w].low = id;
        } while (w != v);
        if (judge(g, l, g->stack + first, top - first, id, which))
            return -1;
        top = first;
    }
    return __atomic_load_n(&g->s->stop, __ATOMIC_RELAXED) ? -2 : 0;
}

/* Looks for a fair run that violates recurrence number `which` of the labels.  1: found (members and start are set),
 * 0: none, negative: no memory or stopped.  Only components with a trigger matter, so it starts at triggered states. */
int lq_recurrence(lq_graph *g, u32 which)
{
    work_list l = {0};
    int failed = 0;
    u32 clock = 0;
    free(g->member);
    g->member = NULL;
    g->start = NOWHERE;
    for (u64 v = 0; v < g->n; v++)
        g->node[v].index = g->node[v].region = 0;
    for (u64 v = 0; !failed && v < g->n; v++)
        if (g->trigger[v] >> which & 1 && !g->node[v].index)
            failed = components(g, &l, (u32)v, &clock, which);
    while (l.parts) {
        const part p = l.todo[--l.parts];
        for (u64 i = 0; i < p.count; i++)
            g->node[p.node[i]].index = 0;
        clock = 0;
        for (u64 i = 0; !failed && i < p.count; i++)
            if (g->trigger[p.node[i]] >> which & 1 && !g->node[p.node[i]].index)
                failed = components(g, &l, p.node[i], &clock, which);
        free(p.node);
    }
    free(l.todo);
    return failed ? failed : g->start != NOWHERE;
}
