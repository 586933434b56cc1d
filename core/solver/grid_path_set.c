/* The feasible set of grid_path: the sets of cells that some path between the ends visits, each cell
 * once. Whether a set is one is a search for a Hamiltonian path, hence bounded: is_feasible gives up
 * after MOST_WORK steps (below a second) and says no. What the solver answers is decided
 * without search: its paths have no shortcuts but over cells of cost 0. */
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "grid_path.h"

enum { MOST_WORK = 1 << 24, DIRECTIONS = 8, FIRST_ROOM = 64 };

/* A walk that is grown and taken back. open[cell]: in the set and not on the walk. */
typedef struct walk {
  int64_t offsets[DIRECTIONS];
  int neighbours;
  int64_t start, goal;
  unsigned char *open, *seen; /* [bordered] */
  unsigned char *tried;       /* [bordered] of a place of the walk: choices already tried there */
  int32_t *path;              /* [bordered] the cells of the walk */
  int32_t *queue;             /* [bordered] */
  int64_t length, left;       /* cells on the walk, and open */
  int64_t work;
} walk;

static mg_status new_walk(const mg_solver *s, const solver_rows *rows, int64_t row, walk *w) {
  const grid_plan *p = s->plan;
  int64_t cells = grid_bordered(p);
  memset(w, 0, sizeof *w);
  mg_status status = grid_end(s, rows, row, START, &w->start);
  if (status == MG_OK) status = grid_end(s, rows, row, GOAL, &w->goal);
  if (status != MG_OK) return status;
  w->neighbours = grid_neighbours(p, w->offsets);
  w->path = memory_array(cells, 2 * (int64_t)sizeof *w->path + 3);
  if (!w->path) return MG_NO_MEMORY;
  w->queue = w->path + cells;
  w->open = (unsigned char *)(w->queue + cells);
  w->seen = w->open + cells;
  w->tried = w->seen + cells;
  memset(w->open, 0, (size_t)(3 * cells));
  return MG_OK;
}

static void step(walk *w, int64_t cell) {
  w->open[cell] = 0;
  w->left--;
  w->path[w->length] = (int32_t)cell;
  w->tried[w->length++] = 0;
}

static void step_back(walk *w) {
  w->open[w->path[--w->length]] = 1;
  w->left++;
}

/* ---------------------------------------------------------------- is_feasible */

/* Opens the ones of z; 0 if there are other numbers, or the ends are not ones. */
static int open_ones(const grid_plan *p, const mg_real *z, walk *w) {
  for (int64_t r = 0; r < p->rows; r++)
    for (int64_t c = 0; c < p->cols; c++) {
      mg_real value = z[r * p->cols + c];
      if (value != 0 && value != 1) return 0;
      w->open[(r + 1) * (p->cols + 2) + c + 1] = value == 1;
      w->left += value == 1;
    }
  return w->open[w->start] && w->open[w->goal];
}

/* With 4 neighbours a path visits cells of both colours of a chess board in turn. */
static int colours_fit(const grid_plan *p, const walk *w) {
  int64_t width = p->cols + 2, count[2] = {0};
  for (int64_t i = 0; i < grid_bordered(p); i++) count[(i / width + i % width) % 2] += w->open[i];
  int64_t first = (w->start / width + w->start % width) % 2;
  int64_t last = (w->goal / width + w->goal % width) % 2;
  return p->diagonal || count[first] - count[1 - first] == (first == last);
}

static int degree(const walk *w, int64_t cell) {
  int count = 0;
  for (int k = 0; k < w->neighbours; k++) count += w->open[cell + w->offsets[k]];
  return count;
}

/* Whether every open cell can be reached from the cell, not through the goal. */
static int is_connected(walk *w, int64_t from) {
  int64_t head = 0, tail = 0;
  w->queue[tail++] = (int32_t)from;
  while (head < tail) {
    int64_t cell = w->queue[head++];
    for (int k = 0; k < w->neighbours && cell != w->goal; k++) {
      int64_t next = cell + w->offsets[k];
      if (!w->open[next] || w->seen[next]) continue;
      w->seen[next] = 1;
      w->queue[tail++] = (int32_t)next;
    }
  }
  for (int64_t i = 0; i < tail; i++) w->seen[w->queue[i]] = 0;
  w->work += tail;
  return tail - 1 == w->left;
}

/* How many choices the end of the walk has: the places k = degree * 8 + direction below that number.
 * An open cell with at most one way on has to be next; two such cells end the walk. */
static int choices(walk *w, int64_t cell) {
  int forced = 0, open = 0;
  for (int k = 0; k < w->neighbours; k++) {
    int64_t next = cell + w->offsets[k];
    open += w->open[next];
    forced += w->open[next] && next != w->goal && degree(w, next) <= 1;
  }
  if (forced > 1) return 0;
  if (forced == 1) return 2 * DIRECTIONS;
  return open < 2 || is_connected(w, cell) ? (DIRECTIONS + 1) * DIRECTIONS : 0;
}

/* The next cell from the end of the walk, few ways on first (Warnsdorff 1823), or -1. */
static int64_t next_choice(walk *w, int64_t cell, int most) {
  unsigned char *tried = &w->tried[w->length - 1];
  for (; *tried < most; ++*tried) {
    int direction = *tried % DIRECTIONS;
    if (direction >= w->neighbours) continue;
    int64_t next = cell + w->offsets[direction];
    if (!w->open[next] || (next == w->goal && w->left > 1)) continue;
    if (degree(w, next) != *tried / DIRECTIONS) continue;
    ++*tried;
    return next;
  }
  return -1;
}

/* Whether a walk over all open cells ends at the goal. */
static int has_walk(walk *w) {
  step(w, w->start);
  while (w->length > 0 && w->work++ < MOST_WORK) {
    int64_t cell = w->path[w->length - 1];
    if (w->left == 0) return cell == w->goal;
    int64_t next = next_choice(w, cell, choices(w, cell));
    if (next >= 0) step(w, next);
    else step_back(w);
  }
  return 0;
}

int grid_is_feasible(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z) {
  const grid_plan *p = s->plan;
  walk w;
  if (new_walk(s, rows, row, &w) != MG_OK) return 0;
  int feasible = open_ones(p, z, &w) && colours_fit(p, &w) && has_walk(&w);
  memory_free(w.path);
  return feasible;
}

/* ---------------------------------------------------------------- enumerate */

/* Sets of cells already found, as bits: a table of places in the list, open addressing. */
typedef struct found_sets {
  uint64_t *bits; /* [room, words] */
  int64_t *table; /* [2 * room] place + 1, or 0 */
  int64_t words, room, count;
} found_sets;

static int64_t slot_of(const found_sets *f, const uint64_t *bits) {
  uint64_t hash = 0;
  for (int64_t i = 0; i < f->words; i++) {
    hash = (hash ^ bits[i]) * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 29;
  }
  int64_t slot = (int64_t)(hash & (uint64_t)(2 * f->room - 1));
  while (f->table[slot] &&
         memcmp(f->bits + (f->table[slot] - 1) * f->words, bits, (size_t)f->words * sizeof *bits) != 0)
    slot = (slot + 1) & (2 * f->room - 1);
  return slot;
}

static mg_status grow(found_sets *f) {
  found_sets larger = *f;
  larger.room = f->room ? 2 * f->room : FIRST_ROOM;
  int64_t bytes = memory_product(larger.room, f->words * (int64_t)sizeof *f->bits);
  larger.bits = memory_array(bytes, 1);
  larger.table = memory_array(2 * larger.room, (int64_t)sizeof *f->table);
  if (!larger.bits || !larger.table) {
    memory_free(larger.bits);
    memory_free(larger.table);
    return MG_NO_MEMORY;
  }
  memset(larger.table, 0, (size_t)(2 * larger.room) * sizeof *f->table);
  if (f->count > 0)
    memcpy(larger.bits, f->bits, (size_t)(f->count * f->words) * sizeof *f->bits);
  for (int64_t i = 0; i < f->count; i++) {
    int64_t slot = slot_of(&larger, larger.bits + i * f->words);
    larger.table[slot] = i + 1;
  }
  memory_free(f->bits);
  memory_free(f->table);
  *f = larger;
  return MG_OK;
}

/* Visits z if it is new. */
static mg_status visit_new(found_sets *f, int64_t n, const mg_real *z, solver_visit *visit) {
  if (f->count == f->room) {
    mg_status status = grow(f);
    if (status != MG_OK) return status;
  }
  uint64_t *bits = f->bits + f->count * f->words;
  memset(bits, 0, (size_t)f->words * sizeof *bits);
  for (int64_t i = 0; i < n; i++) bits[i / 64] |= (uint64_t)(z[i] != 0) << (i % 64);
  int64_t slot = slot_of(f, bits);
  if (f->table[slot]) return MG_OK;
  f->table[slot] = ++f->count;
  return solver_found(visit, z);
}

/* All walks from the start, neighbours in ascending order. */
static mg_status visit_walks(const mg_solver *s, walk *w, found_sets *f, mg_real *z,
                             solver_visit *visit) {
  const grid_plan *p = s->plan;
  mg_status status = MG_OK;
  step(w, w->start);
  z[grid_plain_cell(p, w->start)] = 1;
  while (w->length > 0 && status == MG_OK) {
    int64_t cell = w->path[w->length - 1], next = -1;
    unsigned char *tried = &w->tried[w->length - 1];
    if (cell == w->goal) status = visit_new(f, s->n, z, visit);
    while (cell != w->goal && next < 0 && *tried < w->neighbours) {
      int64_t tail = cell + w->offsets[(*tried)++];
      if (w->open[tail]) next = tail;
    }
    if (next >= 0) {
      step(w, next);
      z[grid_plain_cell(p, next)] = 1;
    } else {
      step_back(w);
      z[grid_plain_cell(p, cell)] = 0;
    }
    if (status == MG_OK && ++w->work % 4096 == 0) status = interrupt_tick();
  }
  return status;
}

/* In the order in which a walk first visits exactly these cells. Memory: s->n bits a solution. */
mg_status grid_enumerate(const mg_solver *s, const solver_rows *rows, solver_visit *visit) {
  const grid_plan *p = s->plan;
  found_sets f = {.words = (s->n + 63) / 64};
  walk w;
  mg_status status = new_walk(s, rows, 0, &w);
  if (status != MG_OK) return status;
  mg_real *z = memory_array(s->n, (int64_t)sizeof *z);
  if (z) {
    memset(z, 0, (size_t)s->n * sizeof *z);
    for (int64_t i = 0; i < s->n; i++)
      w.open[(i / p->cols + 1) * (p->cols + 2) + i % p->cols + 1] = 1;
    w.left = s->n;
    status = visit_walks(s, &w, &f, z, visit);
  }
  memory_free(f.bits);
  memory_free(f.table);
  memory_free(w.path);
  memory_free(z);
  return z ? status : MG_NO_MEMORY;
}
