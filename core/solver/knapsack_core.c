/* Depth first search with the bound of Dantzig 1957, items by falling value per weight, an item first
 * taken, then left (Horowitz and Sahni 1974); else dynamic programming over integer capacities (Bellman
 * 1957). Both give the lexicographically first optimum: the search betters its best strictly; the table
 * takes an item whenever that is as good as leaving it. */
#include "knapsack.h"

#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "deadline.h"

enum { NODES_AT_ONCE = 1 << 13, FREE_NODES = 512, CELLS_A_NODE = 16, WORD_BITS = 64 };
#define MOST_CELLS 0x1p31

typedef enum { DONE, BUDGET_SPENT, TOO_LATE } ending;

typedef struct search {
  int64_t item, depth; /* the next item to decide, and how many are taken */
  double value, capacity, best;
} search;

static void keep(const knapsack_core *k, search *s) {
  if (!(s->value > s->best)) return;
  s->best = s->value;
  memset(k->taken, 0, (size_t)k->count);
  for (int64_t d = 0; d < s->depth; d++) k->taken[k->steps[d].item] = 1;
}

/* Takes what fits, item by item, as long as the bound is above the best; keeps what it gets to. Returns
 * the items looked at. */
static int64_t go_down(const knapsack_core *k, search *s) {
  int64_t first = s->item;
  const knapsack_item *items = k->items;
  while (s->item < k->count && s->capacity >= k->lightest[s->item]) {
    const knapsack_item *i = &items[s->item];
    if (i->weight <= s->capacity) {
      k->steps[s->depth++] = (knapsack_step){s->item, s->value, s->capacity};
      s->value += i->value;
      s->capacity -= i->weight;
    } else if (s->value + s->capacity * i->ratio <= s->best) {
      return s->item - first;
    }
    s->item++;
  }
  keep(k, s);
  return s->item - first;
}

/* Leaves the last taken item whose leaving may lead to something better; 0: there is none. */
static int go_up(const knapsack_core *k, search *s) {
  while (s->depth > 0) {
    const knapsack_step *step = &k->steps[--s->depth];
    double ratio = step->item + 1 < k->count ? k->items[step->item + 1].ratio : 0;
    if (step->value + step->capacity * ratio <= s->best) continue;
    s->item = step->item + 1;
    s->value = step->value;
    s->capacity = step->capacity;
    return 1;
  }
  return 0;
}

/* Searches until the end, or until `budget` items have been looked at (< 0: no limit). */
static mg_status branch(knapsack_core *k, double budget, ending *end) {
  search s = {.capacity = k->capacity, .best = -1};
  int64_t nodes = 0, since = 0;
  k->lightest[k->count] = INFINITY;
  for (int64_t i = k->count - 1; i >= 0; i--)
    k->lightest[i] = k->items[i].weight < k->lightest[i + 1] ? k->items[i].weight : k->lightest[i + 1];
  *end = DONE;
  do {
    since += 1 + go_down(k, &s);
    if (since < NODES_AT_ONCE && (budget < 0 || (double)(nodes + since) < budget)) continue;
    nodes += since;
    since = 0;
    mg_status status = interrupt_tick();
    if (status != MG_OK) return status;
    if (deadline_is_past(k->deadline)) *end = TOO_LATE;
    if (budget >= 0 && (double)nodes >= budget) *end = BUDGET_SPENT;
  } while (*end == DONE && go_up(k, &s));
  return MG_OK;
}

/* ---------------------------------------------------------------- the table */

static int64_t divisor(int64_t a, int64_t b) {
  while (b) {
    int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/* The capacities of the table: in units of the greatest common divisor of the weights. */
static int64_t table_width(const knapsack_core *k, int64_t *unit) {
  int64_t common = 0;
  for (int64_t i = 0; i < k->count; i++) common = divisor((int64_t)k->items[i].weight, common);
  *unit = common;
  return (int64_t)k->capacity / common + 1;
}

/* One item of the table: next[c] = the best of it and the items after it, whose best is rest. `bit` of a
 * word of decisions tells whether it is taken. */
static void table_row(int64_t width, int64_t weight, double value, uint64_t bit,
                      const double *restrict rest, double *restrict next, uint64_t *restrict words) {
  memcpy(next, rest, (size_t)weight * sizeof *next);
  const double *shifted = rest - weight;
  for (int64_t c = weight; c < width; c++) {
    double with = shifted[c] + value, without = rest[c];
    words[c] |= with >= without ? bit : 0;
    next[c] = with >= without ? with : without;
  }
}

/* Fills taken; best [2, width], words [ceil(count / 64), width] of zeros. */
static mg_status fill_table(const knapsack_core *k, int64_t width, int64_t unit, double *best,
                            uint64_t *words) {
  double *rest = best, *next = best + width;
  memset(rest, 0, (size_t)width * sizeof *rest);
  for (int64_t i = k->count - 1; i >= 0; i--) {
    table_row(width, (int64_t)k->items[i].weight / unit, k->items[i].value,
              (uint64_t)1 << i % WORD_BITS, rest, next, words + i / WORD_BITS * width);
    double *other = rest;
    rest = next;
    next = other;
    mg_status status = interrupt_tick();
    if (status != MG_OK) return status;
  }
  int64_t c = width - 1;
  for (int64_t i = 0; i < k->count; i++) {
    k->taken[i] = (unsigned char)(words[i / WORD_BITS * width + c] >> i % WORD_BITS & 1);
    if (k->taken[i]) c -= (int64_t)k->items[i].weight / unit;
  }
  return MG_OK;
}

static mg_status solve_by_table(const knapsack_core *k, int64_t width, int64_t unit) {
  int64_t groups = (k->count + WORD_BITS - 1) / WORD_BITS;
  double *best = memory_array(2 * width, (int64_t)sizeof *best);
  uint64_t *words = memory_array(groups * width, (int64_t)sizeof *words);
  mg_status status = best && words ? MG_OK : MG_NO_MEMORY;
  if (status == MG_OK) {
    memset(words, 0, (size_t)(groups * width) * sizeof *words);
    status = fill_table(k, width, unit, best, words);
  }
  memory_free(words);
  memory_free(best);
  return status;
}

mg_status knapsack_solve_core(knapsack_core *k) {
  int64_t unit = 1, width = k->is_integral && k->count > 0 ? table_width(k, &unit) : 0;
  double cells = (double)width * (double)k->count;
  int has_table = k->is_integral && cells <= MOST_CELLS;
  double budget = has_table ? FREE_NODES + cells / CELLS_A_NODE : -1;
  ending end;
  mg_status status = branch(k, budget, &end);
  if (status == MG_OK && end == BUDGET_SPENT) status = solve_by_table(k, width, unit);
  k->is_proved = end != TOO_LATE;
  return status;
}
