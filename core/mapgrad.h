/* mapgrad: discrete solvers inside gradient learning. The public header of the C core.
 *
 * LuaJIT's ffi.cdef reads this file as it stands once lines starting with '#' are dropped (declare
 * mg_real first): no macros, no inline functions, no attributes. Sections stand in the order of the
 * floors; README.md in this folder says what lives where.
 *
 * Sizes and indices are int64_t and start at 0; arrays are row-major. The last axes of an array are
 * one instance, the axes before them are batch; samples lead. `const T *` is borrowed for the call,
 * a returned `T *` is the caller's, to be given to the function named beside it.
 *
 * A function that can fail returns an mg_status, or a pointer that is NULL on failure; then
 * mg_last_status and mg_message say what went wrong. Failures write nothing to their outputs unless
 * said otherwise. The core never prints, exits or jumps. Every function may return MG_NO_MEMORY if
 * it makes something; beside that the statuses are listed. Functions are linear in their arrays
 * unless a cost is stated. */
#ifndef MAPGRAD_H
#define MAPGRAD_H
#include <stdint.h>
#include "real.h"

/* ================================================================ floor 0: base */

typedef enum mg_status {
  MG_OK = 0,
  MG_BAD_ARGUMENT = -1, /* a value outside what the function documents */
  MG_BAD_SHAPE = -2,    /* shapes that do not fit each other */
  MG_NO_SOLUTION = -3,  /* the feasible set is empty */
  MG_NO_MEMORY = -4,
  MG_BAD_FILE = -5,   /* a file that cannot be read or written, or is not what it should be */
  MG_INTERRUPTED = -6 /* Ctrl-C or a time limit */
} mg_status;

/* This thread's last failure: one sentence naming the function ("" if there was none), and its
 * status. Valid until the thread's next failure. */
const char *mg_message(void);
mg_status mg_last_status(void);

/* Version of the library, e.g. "0.1.0"; compiler and BLAS it was built with; bytes of an mg_real. */
const char *mg_version(void);
const char *mg_build(void);
int mg_real_bytes(void);
/* Version of COIN-OR CBC, which solves the kind "ilp" and is loaded by this; NULL: built without it. */
const char *mg_cbc_version(void);

/* ---- memory: 64-byte aligned blocks; freed blocks of 64 bytes and more wait in a cache */

typedef struct mg_memory {
  int64_t live;        /* bytes in use */
  int64_t peak;        /* largest `live` since mg_memory_reset_peak */
  int64_t cached;      /* bytes of freed blocks kept for reuse */
  int64_t allocations; /* blocks asked for so far */
} mg_memory;

void mg_memory_read(mg_memory *out);
void mg_memory_reset_peak(void);
/* Gives the cached blocks back to the system. */
void mg_memory_trim(void);
/* Bytes that the cache may hold (default 512 MiB). */
void mg_memory_cache_set(int64_t bytes);
/* For tests: the allocation numbered `after` from now (0: the next one) fails, and with it the
 * `times - 1` that follow; times < 0: all that follow; after < 0: none fails. */
void mg_memory_fail(int64_t after, int64_t times);

/* ---- threads: one pool of workers, started when first needed */

/* Number of threads that work (the caller included), 1..256. Results do not depend on it. Workers
 * of a larger pool stop. Not to be called while another thread computes. MG_BAD_ARGUMENT. */
mg_status mg_threads_set(int64_t count);
/* The number in force; at first that of the processors this process may use. */
int64_t mg_threads(void);

/* ---- random numbers: Philox4x32-10, a counter-based generator (Salmon et al. 2011) */

/* What names a set of random numbers. Equal draws give equal numbers, on any thread count. */
typedef struct mg_draw {
  uint64_t seed;
  uint64_t stream; /* mg_stream(name): "data", "init", "shuffle", "noise", ... */
  uint64_t index;  /* position in the stream */
} mg_draw;

/* One block of Philox4x32-10. */
void mg_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
/* The number of a stream's name (FNV-1a). */
uint64_t mg_stream(const char *name);
/* count numbers uniform on the open interval (0, 1). */
mg_status mg_random_uniform(const mg_draw *draw, mg_real *out, int64_t count);
/* count independent numbers of the standard exponential, Gumbel's and the standard normal law. */
mg_status mg_random_exponential(const mg_draw *draw, mg_real *out, int64_t count);
mg_status mg_random_gumbel(const mg_draw *draw, mg_real *out, int64_t count);
mg_status mg_random_normal(const mg_draw *draw, mg_real *out, int64_t count);
/* A random order of 0..count-1 (Fisher-Yates). count < 2^31. MG_BAD_ARGUMENT. */
mg_status mg_random_order(const mg_draw *draw, int64_t *out, int64_t count);

/* ---- settings: named values that constructors take */

typedef struct mg_setting {
  const char *name;
  const char *text;      /* the value if it is a text, else NULL */
  const double *numbers; /* the value if it is a number (count 1) or a list */
  int64_t count;
} mg_setting;

/* What a kind of solver or noise takes. */
typedef struct mg_option {
  const char *name;
  /* "count" "whole" "real" "positive" "flag" "choice a|b|c" "list"; a context: how many numbers an instance
   * has, as a number, "n" (entries of theta) or the settings whose product it is, as "states states" */
  const char *form;
  /* the value when absent, or the name of the setting whose value it is; NULL: required (of a context:
   * optional) */
  const char *preset;
  const char *doc;
  int is_index; /* 1: the numbers are indices, which Lua counts from 1 */
} mg_option;

/* A kind of solver or noise. Lists end with a row whose name is NULL. */
typedef struct mg_kind {
  const char *name;
  const char *sense; /* "max", or "min": a person gives costs, which are minus theta; "" of a noise */
  /* the settings that are the extents of one theta: "n", "rows cols"; "size": one axis of
   * mg_solver_size entries; "choice=word: n n | size": the former if the setting is that word; "" of a
   * noise */
  const char *shape;
  const char *doc;
  const mg_option *settings;
  const mg_option *contexts;
  /* 1: every answer is proved optimal, but for those that a setting time_limit ends; 0: mg_answer says which
   * are */
  int is_exact;
  int is_constant_sum; /* 1: all solutions have the same sum of entries */
} mg_kind;

/* ---- other programs */

/* Runs a program, found on the PATH, and waits for it. arguments: its name and what it gets, ended by
 * NULL. Its standard input is empty, both its outputs go to the file `output`. code: what it exits with,
 * or 128 + the signal that ended it. MG_BAD_FILE: it cannot be started. MG_INTERRUPTED: it was killed
 * with all that it started. */
mg_status mg_process_run(const char *const *arguments, const char *output, int *code);
/* Starts a program as mg_process_run does and goes on; both its outputs are appended to the file. MG_BAD_FILE. */
mg_status mg_process_start(const char *const *arguments, const char *output, int64_t *process);
/* Whether a program of mg_process_start has ended, once, and then its code. MG_BAD_ARGUMENT: none such. */
mg_status mg_process_poll(int64_t process, int *has_ended, int *code);
/* Sends a signal to a program of mg_process_start and to all that it started. */
void mg_process_signal(int64_t process, int signal);
/* Ends this process when the one that started it ends, where the system can (Linux). */
void mg_process_follow(void);

/* ---- interrupts: every long loop looks at them and ends with MG_INTERRUPTED within 100 ms */

/* Raises (1) or clears (0) the flag that stops computations. May be called in a signal handler. */
void mg_interrupt_set(int raised);
/* A function that this thread calls now and then while it computes; nonzero means stop. NULL: none. */
void mg_interrupt_poll(int (*poll)(void *state), void *state);
/* Computations stop `seconds` from now; <= 0 lifts the limit. */
void mg_time_limit_set(double seconds);

/* ================================================================ floor 1: tensor */

typedef struct mg_tensor mg_tensor; /* contiguous reals and a shape; opaque */

enum { MG_MAX_AXES = 8 };

/* A tensor of 0..MG_MAX_AXES axes, extents >= 0, entries unset. Free with mg_tensor_free.
 * MG_BAD_SHAPE if the size overflows. */
mg_tensor *mg_tensor_new(const int64_t *shape, int axes);
/* Another handle on the storage of t with a new shape of the same size, free separately.
 * MG_BAD_SHAPE. */
mg_tensor *mg_tensor_reshape(mg_tensor *t, const int64_t *shape, int axes);
/* Another handle on rows first..first+count-1 of axis 0. MG_BAD_SHAPE, MG_BAD_ARGUMENT. */
mg_tensor *mg_tensor_rows(mg_tensor *t, int64_t first, int64_t count);
/* Gives the handle back; the storage goes with its last handle. NULL is fine. */
void mg_tensor_free(mg_tensor *t);
/* Borrowed: valid while t is. */
mg_real *mg_tensor_data(mg_tensor *t);
const int64_t *mg_tensor_shape(const mg_tensor *t);
int mg_tensor_axes(const mg_tensor *t);
int64_t mg_tensor_size(const mg_tensor *t);
/* Bytes that freeing t would give back now: 0 for one of several handles. */
int64_t mg_tensor_bytes(const mg_tensor *t);

/* ================================================================ floor 1: solver */

typedef struct mg_solver mg_solver; /* a plan: immutable once made, usable by many threads */

/* One named piece of per-instance data: values [rows, width]; instance i reads row i % rows. */
typedef struct mg_context {
  const char *name;
  const mg_real *values;
  int64_t rows;
  int64_t width;
} mg_context;

/* What a call did. */
typedef struct mg_report {
  int64_t solves;   /* instances solved */
  int64_t repaired; /* entries of theta that a domain rule changed (clipped costs) */
  int64_t entries;  /* entries of theta seen */
} mg_report;

/* The kinds there are, i = 0, 1, ...; NULL past the end. */
const mg_kind *mg_solver_kind(int i);
/* A plan. Unknown kinds, unknown or missing settings and values out of range: MG_BAD_ARGUMENT.
 * Free with mg_solver_free. */
mg_solver *mg_solver_new(const char *kind, const mg_setting *settings, int count);
void mg_solver_free(mg_solver *s);
/* The blocks of another solver side by side: theta and z are [count, blocks, n of inner], each block is
 * solved for itself. A context of inner may be given once for all blocks of an instance or for each,
 * [blocks, width]. Keeps a reference to inner, which may be freed at once. MG_BAD_ARGUMENT if blocks < 1. */
mg_solver *mg_solver_blocks(mg_solver *inner, int64_t blocks);

/* An instance as a function of one's own sees it. */
typedef struct mg_instance {
  const mg_real *theta;           /* [n] scores, or costs if the function minimises */
  const mg_real *const *contexts; /* the instance's numbers of each context, NULL: not given */
  char *message;                  /* room for 256 bytes: why there is no answer */
  int64_t n;
  int64_t number; /* in its batch, from 0 */
} mg_instance;

/* Fills z [n], which starts as zeros. Many threads call it at once. MG_OK; MG_NO_SOLUTION; anything else
 * is a failure that ends the whole call, with the instance and the message. */
typedef int (*mg_solve_function)(const mg_instance *instance, mg_real *z, void *state);

typedef struct mg_function {
  const char *name; /* for messages; copied */
  int64_t n;
  mg_solve_function solve;
  void *state; /* handed on */
  int is_minimum;
  int is_exact;              /* 0: answers are not proved optimal */
  const mg_option *contexts; /* names, copied, ended by a row without one; or NULL */
  const int64_t *widths;     /* numbers of each an instance has */
} mg_function;

/* A solver that calls function->solve; or, if path is not NULL, the function `symbol` of that shared
 * object, which also has `const int mg_solver_reals = sizeof(mg_real);` and stays loaded while the solver
 * is. MG_BAD_FILE, MG_BAD_ARGUMENT. */
mg_solver *mg_solver_load(const char *path, const char *symbol, const mg_function *function);
/* Entries n of one theta and one z. */
int64_t mg_solver_size(const mg_solver *s);
/* 1: all solutions have the same sum of entries. */
int mg_solver_is_constant_sum(const mg_solver *s);
/* Numbers an instance has of the context that is row i of the kind's, 0 past the end. */
int64_t mg_solver_context_width(const mg_solver *s, int i);
/* Numbers an instance has of what a solve hands to later solves of near scores (`warm` below), or 0. */
int64_t mg_solver_warm_size(const mg_solver *s);

/* How an instance was answered. */
typedef struct mg_answer {
  double objective; /* <theta, z>, after the domain rule; NaN without a solution */
  double bound;     /* no solution has a larger objective; the objective itself if proved */
  int32_t status;   /* MG_OK, or MG_NO_SOLUTION: z is 0 */
  int32_t proved;   /* 1: z is optimal */
} mg_answer;

/* z[i] = argmax over the feasible set of <theta[i], z> for i < count.
 *   theta    [count, n]  scores; minus the costs if the kind's sense is "min"
 *   z        [count, n]
 *   answers  [count], or NULL: then an instance without a solution is an error
 *   warm     [count, mg_solver_warm_size], or NULL; read and written. Zeros at first; then what an
 *            earlier solve left makes this one faster and never changes its answer
 *   report   added to, or NULL
 * NaN and entries outside the kind's domain: MG_BAD_ARGUMENT, naming the lowest such instance; else,
 * with empty feasible sets: MG_NO_SOLUTION, naming the first ten instances; MG_INTERRUPTED. Works on all
 * threads; a kind allocates nothing once as many threads have met in it as ever will, unless it says
 * otherwise. */
mg_status mg_solver_solve(const mg_solver *s, const mg_real *theta, const mg_context *context,
                          int contexts, mg_real *z, mg_answer *answers, double *warm,
                          mg_report *report, int64_t count);
/* feasible[i] = 1 if z[i] is in instance i's feasible set, else 0. z [count, n] may hold anything. */
mg_status mg_solver_is_feasible(const mg_solver *s, const mg_context *context, int contexts,
                                const mg_real *z, unsigned char *feasible, int64_t count);
/* Counts the solutions of one instance, and writes the first `room` of them to z [room, n] in a fixed
 * order. MG_BAD_ARGUMENT if there are more than `most`, or n is too large for the kind to try. */
mg_status mg_solver_enumerate(const mg_solver *s, const mg_context *context, int contexts,
                              int64_t most, mg_real *z, int64_t room, int64_t *count);

/* ---- known answers; a memo is used by one thread at a time */

typedef struct mg_memo mg_memo;

/* Room for `most` answers of value_reals, found by keys of key_reals (scores and contexts, compared bit for
 * bit); when full, the oldest goes. MG_BAD_ARGUMENT, MG_NO_MEMORY. Free with mg_memo_free. */
mg_memo *mg_memo_new(int64_t key_reals, int64_t value_reals, int64_t most);
void mg_memo_free(mg_memo *p);
/* Answers held, and their array [count, value_reals], borrowed until the next mg_memo_add. */
int64_t mg_memo_count(const mg_memo *p);
const mg_real *mg_memo_values(const mg_memo *p);
/* Fills values [count, value_reals] for the keys [count, key_reals] that are known; the numbers of the
 * others go to missing [count]. Returns how many those are. O(1) a key on average. */
int64_t mg_memo_find(const mg_memo *p, const mg_real *keys, mg_real *values, int64_t count,
                     int64_t *missing);
/* Adds answers; keys that are known are left as they are. */
void mg_memo_add(mg_memo *p, const mg_real *keys, const mg_real *values, int64_t count);

/* ================================================================ floor 1: noise */

typedef struct mg_noise mg_noise; /* a law on the reals, drawn entry by entry; immutable */

const mg_kind *mg_noise_kind(int i);
/* As mg_solver_new. Free with mg_noise_free. */
mg_noise *mg_noise_new(const char *kind, const mg_setting *settings, int count);
/* "Noise" of the caller's numbers [samples, batch, n], borrowed: valid while the handle is.
 * Sampling other extents from it is MG_BAD_SHAPE. */
mg_noise *mg_noise_given(const mg_real *values, int64_t samples, int64_t batch, int64_t n);
void mg_noise_free(mg_noise *noise);
/* out [samples, batch, n]: entry (s, i, j) is a function of (draw, s, first_instance + i, j) and of
 * nothing else. MG_BAD_ARGUMENT, MG_BAD_SHAPE, MG_INTERRUPTED. */
mg_status mg_noise_sample(const mg_noise *noise, const mg_draw *draw, int64_t samples,
                          int64_t batch, int64_t first_instance, int64_t n, mg_real *out);
/* Mean, variance, third and fourth cumulant; not finite where they do not exist. MG_BAD_ARGUMENT for given
 * numbers. */
mg_status mg_noise_cumulants(const mg_noise *noise, double out[4]);

/* Functions of the law of an entry: log rho, -d log rho / dx, P(X <= x), and the inverse of that (NaN for what is no
 * probability). */
typedef enum mg_noise_function {
  MG_NOISE_LOG_DENSITY,
  MG_NOISE_SCORE,
  MG_NOISE_CDF,
  MG_NOISE_QUANTILE,
  MG_NOISE_FUNCTIONS
} mg_noise_function;
/* out [count] = the function of each x. MG_BAD_ARGUMENT for given numbers, and for the score of laws that
 * have none. */
mg_status mg_noise_map(const mg_noise *noise, mg_noise_function which, const mg_real *x, int64_t count,
                       mg_real *out);

/* ================================================================ floor 1: distribution */

/* An exact law over a feasible set: p(z) = exp(<z, theta> / temperature - A). A plan, immutable once
 * made; theta is scores, whatever the sense of the solver of that name. -inf forbids an entry. */
typedef struct mg_law mg_law;

/* The kinds there are, i = 0, 1, ...; NULL past the end. Only name and settings of a row count. */
const mg_kind *mg_law_kind(int i);
/* As mg_solver_new. blocks >= 1: how many rows of a call are one instance, for messages. Free with
 * mg_law_free. */
mg_law *mg_law_new(const char *kind, const mg_setting *settings, int count, int64_t blocks);
/* The law over states z [states, n], copied. MG_NO_SOLUTION if there are none. */
mg_law *mg_law_enumerated(const mg_real *z, int64_t states, int64_t n);
void mg_law_free(mg_law *p);
int64_t mg_law_size(const mg_law *p);

/* All below: theta [count, n]; MG_BAD_ARGUMENT for NaN, +inf and a temperature not above 0;
 * MG_NO_SOLUTION, naming the lowest instance whose set is empty; MG_INTERRUPTED. They work on all
 * threads. */

/* log_partition [count] A, marginals [count, n] E[z], entropy [count] in nats; any may be NULL. */
mg_status mg_law_moments(const mg_law *p, double temperature, const mg_real *theta, int64_t count,
                         mg_real *log_partition, mg_real *marginals, mg_real *entropy);
/* out [count, n] = J u, J the Jacobian of marginals, Cov(z) / temperature, which is symmetric. */
mg_status mg_law_tangent(const mg_law *p, double temperature, const mg_real *theta,
                         const mg_real *u, int64_t count, mg_real *out);
/* out [count] = KL(p_theta || p_other); inf if other forbids what theta allows. */
mg_status mg_law_divergence(const mg_law *p, double temperature, const mg_real *theta,
                            const mg_real *other, int64_t count, mg_real *out);
/* out [samples, count] = log p(z) for z [samples, count, n]; that they are solutions is not checked. */
mg_status mg_law_log_prob(const mg_law *p, double temperature, const mg_real *theta,
                          const mg_real *z, int64_t samples, int64_t count, mg_real *out);
/* z [samples, count, n]: exact samples; (s, i) is a function of (draw, s, first_row + i, its theta) and
 * of nothing else. theta is [samples, count, n], or [count, n] with theta_samples = 1. */
mg_status mg_law_sample(const mg_law *p, double temperature, const mg_draw *draw,
                        const mg_real *theta, int64_t theta_samples, int64_t samples, int64_t count,
                        int64_t first_row, mg_real *z);

/* ================================================================ floor 1: data */

/* Reading and writing files. Writers make a temporary file beside the target, flush it to the disk
 * and rename it: the target is the old or the new file, whole. All: MG_BAD_FILE, MG_INTERRUPTED. */

typedef struct mg_array mg_array; /* an array read from a file; opaque */

/* Readers refuse data of more than `limit` bytes as they are in the file, once inflated, and do so
 * before they inflate or allocate them. Whatever the limit, memory is bounded by what a file of that
 * size can hold, and grows with what comes where the file only claims a size. */

/* The array in a .npy file (version 1 to 3, any numeric type and byte order, C or Fortran order),
 * its elements turned into reals. Complex numbers, strings and objects are refused. */
mg_array *mg_npy_read(const char *path, int64_t limit);
/* The array in an IDX file (MNIST), plain or inside gzip. */
mg_array *mg_idx_read(const char *path, int64_t limit);
/* The picture in a PNG file: [height, width, channels], entries 0..255; grey 1, grey and alpha 2,
 * colour 3, colour and alpha 4 channels; palettes are resolved, 16 bits reduced to 8. */
mg_array *mg_png_read(const char *path, int64_t limit);
/* Bytes of a file, inflated if it is a gzip file; at most `limit` of them. Entries are not reals:
 * read them with mg_array_bytes. */
mg_array *mg_file_read(const char *path, int64_t limit);
void mg_array_free(mg_array *a);
int mg_array_axes(const mg_array *a);
const int64_t *mg_array_shape(const mg_array *a);
/* Copies all elements to out, in C order. MG_BAD_ARGUMENT for an array of mg_file_read. */
mg_status mg_array_copy(const mg_array *a, mg_real *out);
/* The bytes of mg_file_read, borrowed; NULL for other arrays. */
const char *mg_array_bytes(const mg_array *a);

/* type: "f4" "f8" "i8" "i4" "i2" "i1" "u1"; a value that an integer type cannot hold is
 * MG_BAD_ARGUMENT. */
mg_status mg_npy_write(const char *path, const mg_real *values, const int64_t *shape, int axes,
                       const char *type);
/* type: "u1" "i1" "i2" "i4" "f4" "f8"; is_gzip 1: inside gzip. */
mg_status mg_idx_write(const char *path, const mg_real *values, const int64_t *shape, int axes,
                       const char *type, int is_gzip);
/* The arrays in an .npz file. Read them one by one; free with mg_npz_free. */
typedef struct mg_npz mg_npz;
/* Reads the directory. only: NULL, or the one array that is wanted. A name that is there twice, a
 * member that is no npy file, is encrypted, neither stored nor deflated or larger than its bytes in
 * the file can hold is MG_BAD_FILE, as are arrays of more than `limit` bytes in all. */
mg_npz *mg_npz_open(const char *path, const char *only, int64_t limit);
void mg_npz_free(mg_npz *z);
int64_t mg_npz_count(const mg_npz *z);
/* The name of array i < count, without ".npy"; borrowed. */
const char *mg_npz_name(const mg_npz *z, int64_t i);
/* Array i < count. Its CRC is checked. */
mg_array *mg_npz_read(mg_npz *z, int64_t i);
/* An array to be written. */
typedef struct mg_npz_entry {
  const char *name; /* 1 to 299 bytes of UTF-8, each name once */
  const mg_real *values;
  const int64_t *shape;
  int axes;
} mg_npz_entry;
/* type as for mg_npy_write; is_deflated 0: stored. */
mg_status mg_npz_write(const char *path, const mg_npz_entry *entries, int count, const char *type,
                       int is_deflated);
/* A table of text: records of fields between delimiters, the ends of lines between records; fields
 * in double quotes may hold both, and two quotes for one (RFC 4180). */
typedef struct mg_csv mg_csv;
/* Reads the file, plain or in gzip, up to `limit` bytes of text, and finds its records; empty lines
 * are none. has_header 1: the first record has the names of the columns. An open quote and records
 * of different lengths are MG_BAD_FILE, with line and column. */
mg_csv *mg_csv_open(const char *path, char delimiter, int has_header, int64_t limit);
void mg_csv_free(mg_csv *c);
/* Records without the header; fields of each. */
int64_t mg_csv_rows(const mg_csv *c);
int64_t mg_csv_columns(const mg_csv *c);
/* The text of a field and its length, borrowed until the next call; row -1: the header.
 * MG_BAD_ARGUMENT. */
const char *mg_csv_field(mg_csv *c, int64_t row, int64_t column, int64_t *length);
/* The numbers of some columns: out [rows, count]. Blanks around a number do not count; nan and inf
 * are numbers; empty and NA are missing: NaN, or MG_BAD_FILE like other texts. */
mg_status mg_csv_numbers(const mg_csv *c, const int64_t *columns, int64_t count,
                         int is_missing_fine, mg_real *out);
/* values [rows, columns], in as few digits as read the same; names [columns] or NULL: no header. */
mg_status mg_csv_write(const char *path, const mg_real *values, int64_t rows, int64_t columns,
                       const char *const *names, char delimiter);
/* pixels [height, width, channels], channels 1, 3 or 4; entries are rounded and clamped to 0..255. */
mg_status mg_png_write(const char *path, const mg_real *pixels, int64_t height, int64_t width,
                       int64_t channels);
mg_status mg_file_write(const char *path, const char *bytes, int64_t count);
/* Makes the file at path with a text in it, unless there is one: of many processes one succeeds.
 * is_made 0: there was one. MG_BAD_FILE. */
mg_status mg_file_claim(const char *path, const char *text, int *is_made);
/* Waits until what was written to the file at path is on the disk. MG_BAD_FILE. */
mg_status mg_file_sync(const char *path);

/* ---- JSON (RFC 8259). A value owns what is inside it. */

typedef struct mg_json mg_json; /* a value; opaque */

typedef enum mg_json_kind {
  MG_JSON_NULL,
  MG_JSON_FALSE,
  MG_JSON_TRUE,
  MG_JSON_NUMBER,
  MG_JSON_TEXT,
  MG_JSON_LIST,
  MG_JSON_OBJECT
} mg_json_kind;

/* The value of a text, or of a file of at most `limit` bytes. Numbers become the nearest double. A
 * key given twice, a number beyond doubles, text that is not UTF-8, more than 2048 levels and
 * anything after the value are MG_BAD_FILE with line, column and byte. Free with mg_json_free. */
mg_json *mg_json_parse(const char *text, int64_t count);
mg_json *mg_json_read(const char *path, int64_t limit);
void mg_json_free(mg_json *v);

/* What is inside is borrowed. */
mg_json_kind mg_json_kind_of(const mg_json *v);
double mg_json_number(const mg_json *v);
/* Ends in a zero byte and may hold others; count may be NULL. NULL if v is no text. */
const char *mg_json_text(const mg_json *v, int64_t *count);
/* Entries of a list, fields of an object. */
int64_t mg_json_count(const mg_json *v);
const mg_json *mg_json_entry(const mg_json *list, int64_t index);
/* NULL if there is none. */
const mg_json *mg_json_field(const mg_json *object, const char *key);
/* The key after `key`, which this function returned; NULL: the first. NULL at the end. */
const char *mg_json_next(const mg_json *object, const char *key);

/* Null, a truth value, an empty list or object; a finite number; a text in UTF-8. Others are
 * MG_BAD_ARGUMENT. */
mg_json *mg_json_new(mg_json_kind kind);
mg_json *mg_json_new_number(double value);
mg_json *mg_json_new_text(const char *text, int64_t count);
/* `value` belongs to the list or object from now on, also if this fails. A key in UTF-8, else
 * MG_BAD_ARGUMENT. MG_INTERRUPTED, the value being in its place. */
mg_status mg_json_append(mg_json *list, mg_json *value);
mg_status mg_json_set(mg_json *object, const char *key, mg_json *value);

/* The text, keys sorted, numbers such that they are read back exactly: equal values, equal bytes.
 * On one line, or, with indent 1..31, on many. The file ends in a line feed. MG_BAD_ARGUMENT,
 * MG_INTERRUPTED. */
mg_array *mg_json_print(const mg_json *v, int indent);
mg_status mg_json_write(const char *path, const mg_json *v, int indent);

/* ---- safetensors: named tensors in a file (github.com/huggingface/safetensors) */

typedef struct mg_store mg_store; /* an open file; opaque */

/* Reads and checks the header: types F64 F32 F16 BF16 I64 I32 I16 I8 U64 U32 U16 U8 BOOL, at most
 * MG_MAX_AXES axes, the tensors cover the data without gap or overlap. Keeps the file open until
 * mg_store_free. */
mg_store *mg_store_open(const char *path);
void mg_store_free(mg_store *s);
/* Tensors in the order of their data; index 0..count-1. */
int64_t mg_store_count(const mg_store *s);
const char *mg_store_name(const mg_store *s, int64_t index);
const char *mg_store_type(const mg_store *s, int64_t index);
int mg_store_axes(const mg_store *s, int64_t index);
const int64_t *mg_store_shape(const mg_store *s, int64_t index);
/* All elements as reals, in C order; on failure out is partly written. */
mg_status mg_store_read(const mg_store *s, int64_t index, mg_real *out);
/* An object of texts, borrowed; NULL if the file has none. */
const mg_json *mg_store_metadata(const mg_store *s);
/* Compares the file with the checksum that mg_store_write put into it; one that is missing or
 * wrong is MG_BAD_FILE. One pass over the file. */
mg_status mg_store_verify(const mg_store *s);

typedef struct mg_store_part {
  const char *name; /* UTF-8 */
  const mg_real *values;
  const int64_t *shape;
  int axes;
} mg_store_part;

/* type "F32" or "F64"; NULL: that of mg_real, which keeps all bits. metadata: key, text, key, text,
 * ..., NULL; NULL: none. checksum 1: the field "checksum" comes first in the metadata, the CRC-32
 * of the whole file with zeros in its place. The data are in the order given. MG_BAD_ARGUMENT,
 * MG_BAD_SHAPE. */
mg_status mg_store_write(const char *path, const mg_store_part *parts, int64_t count,
                         const char *type, const char *const *metadata, int checksum);

/* ================================================================ floor 2: op */

/* Forward functions return a new tensor, vjp functions the gradient of <dy, y> with respect to one
 * input, shaped like it; free both with mg_tensor_free. All: MG_BAD_SHAPE, MG_INTERRUPTED, and
 * MG_BAD_ARGUMENT for kinds, strides, pads, kernels and rates out of range. Matrix products add up in
 * reals, as BLAS does, all other sums in double; orders are fixed, so results have the same bits for
 * any number of threads. */

/* ---- elementwise */

/* p and q are the parameters of the kinds that name them; others ignore them. */
typedef enum mg_unary_kind {
  MG_ABS, /* vjp at 0: 0 */
  MG_EXP,
  MG_LOG,
  MG_SQRT,
  MG_SQUARE,
  MG_RELU, /* vjp at 0: 0 */
  MG_SIGMOID,
  MG_SOFTPLUS, /* log(1 + exp x) */
  MG_TANH,
  MG_SIGN,  /* 0 at 0; vjp 0 */
  MG_EXPM1, /* exp(x) - 1 */
  MG_LOG1P, /* log(1 + x) */
  MG_RSQRT, /* 1 / sqrt x */
  MG_ERF,
  MG_GELU, /* x Phi(x), Phi the normal distribution function (Hendrycks, Gimpel 2016) */
  MG_SIN,
  MG_COS,
  MG_FLOOR,      /* vjp 0 */
  MG_ELU,        /* x > 0 ? x : p (exp(x) - 1); vjp at 0: p (Clevert, Unterthiner, Hochreiter 2015) */
  MG_LEAKY_RELU, /* x > 0 ? x : p x; vjp at 0: p */
  MG_CLAMP,      /* not below p, then not above q; vjp where p <= x <= q, else 0 */
  MG_UNARY_KINDS
} mg_unary_kind;

typedef enum mg_binary_kind {
  MG_ADD,
  MG_SUBTRACT,
  MG_MULTIPLY,
  MG_DIVIDE,
  MG_MAXIMUM, /* vjp where equal: to the first */
  MG_MINIMUM, /* vjp where equal: to the first */
  MG_LESS,    /* comparisons give 0 or 1; vjp 0 */
  MG_LESS_EQUAL,
  MG_EQUAL,
  MG_NOT_EQUAL,
  MG_POWER, /* a^b as C's pow; vjp for a: b a^(b-1), 0 where b = 0; for b: a^b log a, 0 where a = 0 <= b */
  MG_ADD_RELU, /* relu(a + b); vjp at 0: 0 */
  MG_BINARY_KINDS
} mg_binary_kind;

/* In float: exp, log, tanh, sigmoid, softplus, expm1, log1p and erf lie within 2 units of the last place,
 * gelu within 4. NaN stays NaN. A parameter that is NaN: MG_BAD_ARGUMENT. */
mg_tensor *mg_unary(mg_unary_kind kind, const mg_tensor *x, double p, double q);
/* y is the forward result. */
mg_tensor *mg_unary_vjp(mg_unary_kind kind, const mg_tensor *x, const mg_tensor *y,
                        const mg_tensor *dy, double p, double q);
/* The forward result written to y, of x's shape; x may be y but not overlap it otherwise. */
mg_status mg_unary_into(mg_tensor *y, mg_unary_kind kind, const mg_tensor *x, double p, double q);
/* a and b broadcast as in NumPy: shapes aligned at the end, extents equal or 1. */
mg_tensor *mg_binary(mg_binary_kind kind, const mg_tensor *a, const mg_tensor *b);
/* which = 0: gradient for a, 1: for b, summed over broadcast axes. */
mg_tensor *mg_binary_vjp(mg_binary_kind kind, int which, const mg_tensor *a, const mg_tensor *b,
                         const mg_tensor *dy);
/* Entries of a where the condition is not 0 (NaN is not), else of b; all three broadcast. */
mg_tensor *mg_where(const mg_tensor *condition, const mg_tensor *a, const mg_tensor *b);
/* which = 0: gradient for a, 1: for b; there is none for the condition. */
mg_tensor *mg_where_vjp(int which, const mg_tensor *condition, const mg_tensor *a,
                        const mg_tensor *b, const mg_tensor *dy);
/* scale * x + shift */
mg_tensor *mg_affine(const mg_tensor *x, double scale, double shift);
/* In place: y = value; y = x (same shape); y = keep * y + scale * x (same shape). x may be y but not
 * overlap it otherwise: MG_BAD_ARGUMENT. */
mg_status mg_fill(mg_tensor *y, double value);
mg_status mg_copy(mg_tensor *y, const mg_tensor *x);
mg_status mg_accumulate(mg_tensor *y, double keep, const mg_tensor *x, double scale);

/* ---- reduce: over axes first..first+count-1, which disappear from the shape */

typedef enum mg_reduce_kind {
  MG_SUM,
  MG_MEAN, /* NaN of nothing */
  MG_MAX,  /* vjp of extremes: to the first of equal entries; of nothing: MG_BAD_SHAPE */
  MG_MIN,
  MG_PROD,       /* 1 of nothing */
  MG_LOGSUMEXP,  /* log sum exp; -inf where all entries are -inf (vjp 0), and of nothing */
  MG_VAR,        /* squared distances from the mean over n - 1: NaN of one entry */
  MG_VAR_BIASED, /* over n: NaN of nothing */
  MG_STD,        /* square root of MG_VAR; vjp 0 where it is 0 */
  MG_STD_BIASED,
  MG_NORM_1,   /* sum of |x|; vjp at 0: 0 */
  MG_NORM_2,   /* Euclidean; vjp at the zero vector: 0 */
  MG_NORM_INF, /* largest |x|, 0 of nothing; vjp: to the first of equal entries, 0 where it is 0 */
  MG_ANY,      /* 1 if an entry is not 0, else 0; vjp 0 */
  MG_ALL,      /* 1 if no entry is 0, else 0; vjp 0 */
  MG_ARGMAX,   /* place of MG_MAX along the axes, row-major, from 0; vjp 0. MG_BAD_SHAPE past */
  MG_ARGMIN,   /* 2^24 (2^53 in double) entries, which a real cannot count */
  MG_REDUCE_KINDS
} mg_reduce_kind;

/* MG_BAD_SHAPE if the axes are not there. */
mg_tensor *mg_reduce(mg_reduce_kind kind, const mg_tensor *x, int first, int count);
/* y is the forward result. */
mg_tensor *mg_reduce_vjp(mg_reduce_kind kind, const mg_tensor *x, const mg_tensor *y,
                         const mg_tensor *dy, int first, int count);

/* Isotonic regression of the rows along the last axis: the v of v_1 >= v_2 >= ... nearest to x, by pooling
 * adjacent violators (Best, Chakravarti 1990); O(n) a row. NaN is not looked for. MG_BAD_SHAPE. */
mg_tensor *mg_isotonic(const mg_tensor *x);
/* y is the forward result: means of dy over its runs of equal entries. */
mg_tensor *mg_isotonic_vjp(const mg_tensor *y, const mg_tensor *dy);

/* Running sums along an axis, from its first entry; is_reverse = 1: from its last (the vjp). */
mg_tensor *mg_cumsum(const mg_tensor *x, int axis, int is_reverse);

/* ---- softmax */

/* exp(x) / sum exp(x) along an axis, without overflow; is_log = 1: its logarithm. Entries of -inf
 * give 0 (-inf); where the largest entry is infinite, or one is NaN, all are NaN. */
mg_tensor *mg_softmax(const mg_tensor *x, int axis, int is_log);
/* y is the forward result. */
mg_tensor *mg_softmax_vjp(const mg_tensor *y, const mg_tensor *dy, int axis, int is_log);

/* ---- index */

/* Rows rows[0..count-1] of an axis. MG_BAD_ARGUMENT. */
mg_tensor *mg_take(const mg_tensor *x, int axis, const int64_t *rows, int64_t count);
mg_tensor *mg_take_vjp(const mg_tensor *x, int axis, const int64_t *rows, int64_t count,
                       const mg_tensor *dy);
/* Entries of x along an axis by an index of x's shape but for that axis: whole numbers from 1, else
 * MG_BAD_ARGUMENT. The gradient for x is mg_scatter_add of dy to zeros. */
mg_tensor *mg_gather(const mg_tensor *x, int axis, const mg_tensor *index);
/* x with the entries of source added where the index says; source has the index's shape. Entries for one
 * place are added in their order. The gradients are dy for x and mg_gather of dy for source. */
mg_tensor *mg_scatter_add(const mg_tensor *x, int axis, const mg_tensor *index,
                          const mg_tensor *source);
/* The matrices of the last two axes, 0 below (is_upper) or above their diagonal number `diagonal`, which
 * counts upwards from the main one. The gradient is the same of dy. */
mg_tensor *mg_triangle(const mg_tensor *x, int is_upper, int64_t diagonal);
/* Axis i of the result is axis order[i] of x. */
mg_tensor *mg_permute(const mg_tensor *x, const int *order);
/* Entries first..first+count-1 of one axis. */
mg_tensor *mg_slice(const mg_tensor *x, int axis, int64_t first, int64_t count);
mg_tensor *mg_slice_vjp(const mg_tensor *x, int axis, int64_t first, const mg_tensor *dy);
/* Parts side by side along an axis that exists; other extents equal. */
mg_tensor *mg_concat(const mg_tensor *const *parts, int count, int axis);

/* ---- sort */

/* The places, from 0, of the first `count` entries along an axis in sorted order: largest first if
 * is_descending = 1; of equal entries the first stays the first, NaN is last in both orders. O(n) a row
 * of n entries (O(n count) at worst where count <= 64). MG_BAD_SHAPE past 2^24 (2^53 in double) entries,
 * which a real cannot count. */
mg_tensor *mg_sort_order(const mg_tensor *x, int axis, int64_t count, int is_descending);
/* The entries of x that such an order names along the axis. MG_BAD_ARGUMENT for places outside. */
mg_tensor *mg_sort_values(const mg_tensor *x, const mg_tensor *order, int axis);
/* The gradient of those for x. */
mg_tensor *mg_sort_vjp(const mg_tensor *x, const mg_tensor *order, const mg_tensor *dy, int axis);

/* ---- matmul */

/* op(a) op(b) of the matrices in the last two axes, op = transposition where the flag is 1; the axes
 * before them broadcast as in mg_binary. O(rows inner columns) a matrix. */
mg_tensor *mg_matmul(const mg_tensor *a, const mg_tensor *b, int transpose_a, int transpose_b);
/* which = 0: gradient for a, 1: for b, summed over broadcast axes. MG_BAD_ARGUMENT for others. */
mg_tensor *mg_matmul_vjp(int which, const mg_tensor *a, const mg_tensor *b, const mg_tensor *dy,
                         int transpose_a, int transpose_b);

/* ---- convolution and pooling over images [batch, channels, height, width] */

/* How the window of a convolution moves; pairs are vertical, horizontal. */
typedef struct mg_conv {
  int stride[2];   /* from 1 */
  int pad[2];      /* zeros on each side, from 0 */
  int dilation[2]; /* steps between the cells of a window, from 1 */
  int groups;      /* filter group i meets channel group i alone; divides both */
} mg_conv;

/* x [B, C, H, W], weight [D, C / groups, kh, kw], bias [D] or NULL -> [B, D, h, w],
 * h = (H + 2 pad - (kh - 1) dilation - 1) / stride + 1: cross-correlation with zeros around. Windows
 * of 3x3 with stride and dilation 1 go the way of Winograd (Lavin, Gray 2016) where there are 16
 * channels and filters and more: in floats errors are some 1e-6 of the largest sum of |x weight|. */
mg_tensor *mg_conv2d(const mg_tensor *x, const mg_tensor *weight, const mg_tensor *bias,
                     const mg_conv *window);
mg_tensor *mg_conv2d_vjp_input(const mg_tensor *x, const mg_tensor *weight, const mg_tensor *dy,
                               const mg_conv *window);
mg_tensor *mg_conv2d_vjp_weight(const mg_tensor *x, const mg_tensor *weight, const mg_tensor *dy,
                                const mg_conv *window);
/* dy [B, D, h, w] -> [D] */
mg_tensor *mg_conv2d_vjp_bias(const mg_tensor *dy);
/* Windows of pooling; pairs are vertical, horizontal. */
typedef struct mg_pool {
  int kernel[2]; /* from 1 */
  int stride[2]; /* from 1 */
  int pad[2];    /* cells on each side, 0..kernel / 2 */
} mg_pool;

/* kind MG_MAX: the largest entry of each window, cells outside do not count; MG_MEAN: the sum of the
 * window over the cells of the kernel, cells outside are zeros. [B, C, H, W] -> [B, C, h, w],
 * h = (H + 2 pad - kernel) / stride + 1. */
mg_tensor *mg_pool2d(mg_reduce_kind kind, const mg_tensor *x, const mg_pool *window);
/* y is the forward result. MG_MAX: to the first of equal entries in the window. */
mg_tensor *mg_pool2d_vjp(mg_reduce_kind kind, const mg_tensor *x, const mg_tensor *y,
                         const mg_tensor *dy, const mg_pool *window);
/* Windows floor(i H / height) .. ceil((i + 1) H / height) - 1; kinds and ties as above. */
mg_tensor *mg_adaptive_pool2d(mg_reduce_kind kind, const mg_tensor *x, int height, int width);
mg_tensor *mg_adaptive_pool2d_vjp(mg_reduce_kind kind, const mg_tensor *x, const mg_tensor *y,
                                  const mg_tensor *dy, int height, int width);

/* ---- normalisation (Ioffe, Szegedy 2015) */

/* x [B, C, ...], gain and bias [C]. (x - mean) / sqrt(variance + epsilon) * gain + bias per channel.
 * fixed = 0: mean and variance (biased) [C] are computed from x and written; 1: they are read.
 * rectified = 1: relu of that, in the same pass. */
mg_tensor *mg_batch_norm(const mg_tensor *x, const mg_tensor *gain, const mg_tensor *bias,
                         mg_tensor *mean, mg_tensor *variance, double epsilon, int fixed,
                         int rectified);
/* y is the forward result, mean and variance are as the forward call left them. Writes dx, which may be
 * dy itself, dgain and dbias. */
mg_status mg_batch_norm_vjp(const mg_tensor *x, const mg_tensor *y, const mg_tensor *gain,
                            const mg_tensor *mean, const mg_tensor *variance, const mg_tensor *dy,
                            double epsilon, int fixed, int rectified, mg_tensor *dx,
                            mg_tensor *dgain, mg_tensor *dbias);

/* ---- losses of logits: one number a row, the target repeating over axis 0 where it lacks that */

/* logits [batch..., classes] -> [batch...]: minus the logarithm of the softmax, averaged over the target:
 * class numbers from 1 [batch...] where is_class = 1, else probabilities [batch..., classes]. Of these
 * the share `smoothing` in [0, 1] goes to the uniform distribution. MG_BAD_ARGUMENT names a label out of
 * range. */
mg_tensor *mg_cross_entropy(const mg_tensor *logits, const mg_tensor *target, int is_class,
                            double smoothing);
/* which = 0: gradient for the logits, 1: for probabilities. */
mg_tensor *mg_cross_entropy_vjp(int which, const mg_tensor *logits, const mg_tensor *target,
                                int is_class, double smoothing, const mg_tensor *dy);
/* The sum over the last `axes` axes of log(1 + exp x) - t x, minus the log-likelihood of t in 0..1 under
 * the probability sigmoid(x). */
mg_tensor *mg_bernoulli(const mg_tensor *logits, const mg_tensor *target, int axes);
/* which = 0: gradient for the logits, 1: for the target. */
mg_tensor *mg_bernoulli_vjp(int which, const mg_tensor *logits, const mg_tensor *target, int axes,
                            const mg_tensor *dy);
/* Layer normalisation (Ba, Kiros, Hinton 2016) over the last `count` >= 1 axes: (x - mean) /
 * sqrt(variance + epsilon) * gain + bias, variance biased; gain and bias of the shape of these
 * axes, or NULL: 1 and 0. */
mg_tensor *mg_layer_norm(const mg_tensor *x, const mg_tensor *gain, const mg_tensor *bias,
                         int count, double epsilon);
/* Writes *dgain and *dbias too, the caller's; both NULL: not wanted. */
mg_tensor *mg_layer_norm_vjp(const mg_tensor *x, const mg_tensor *gain, const mg_tensor *dy,
                             int count, double epsilon, mg_tensor **dgain, mg_tensor **dbias);
/* Group normalisation (Wu, He 2018): x [B, C, ...], the channels in `groups` groups of neighbours
 * that are normalised together, each instance by itself; gain and bias [C], or NULL. */
mg_tensor *mg_group_norm(const mg_tensor *x, const mg_tensor *gain, const mg_tensor *bias,
                         int64_t groups, double epsilon);
mg_tensor *mg_group_norm_vjp(const mg_tensor *x, const mg_tensor *gain, const mg_tensor *dy,
                             int64_t groups, double epsilon, mg_tensor **dgain,
                             mg_tensor **dbias);

/* ---- dropout (Srivastava et al. 2014) */

/* Entries become 0 with probability rate in [0, 1) (down to 2^-32), else x / (1 - rate). Entry i is
 * dropped or not by (draw, first + i) alone: the vjp is mg_dropout(dy, rate, draw, first). */
mg_tensor *mg_dropout(const mg_tensor *x, double rate, const mg_draw *draw, int64_t first);

/* ---- update rules, in place, fused */

/* One update of the weight; the gradient and the rule's state have its shape, the state starts at 0,
 * steps count from 1. g = gradient + decay * weight. MG_BAD_ARGUMENT for a memory (momentum, beta) not
 * in [0, 1). */

/* velocity = momentum velocity + (1 - dampening) g, but g in step 1; weight -= rate * velocity, with
 * nesterov rate * (g + momentum * velocity). velocity NULL: rate * g, without momentum. */
mg_status mg_sgd(mg_tensor *weight, const mg_tensor *gradient, mg_tensor *velocity, double rate,
                 double momentum, double dampening, int nesterov, double decay, int64_t step);
/* Adam (Kingma, Ba 2015). decoupled: g = gradient, and the weight is first multiplied by
 * 1 - rate * decay (AdamW: Loshchilov, Hutter 2019). */
mg_status mg_adam(mg_tensor *weight, const mg_tensor *gradient, mg_tensor *moment,
                  mg_tensor *square, double rate, double beta1, double beta2, double epsilon,
                  double decay, int decoupled, int64_t step);
/* square = beta square + (1 - beta) g^2; d = g / (sqrt(square) + epsilon); velocity = momentum velocity
 * + d; weight -= rate * velocity. mean NULL: as said; else centered: mean = beta mean + (1 - beta) g,
 * and square - mean^2 stands under the root. velocity NULL: weight -= rate * d, without momentum. */
mg_status mg_rmsprop(mg_tensor *weight, const mg_tensor *gradient, mg_tensor *square,
                     mg_tensor *mean, mg_tensor *velocity, double rate, double beta, double epsilon,
                     double momentum, double decay);
/* *sum = the squares of all entries, added in double. */
mg_status mg_squares(const mg_tensor *x, double *sum);
/* y = min(max(y, -limit), limit), in place; NaN stays. */
mg_status mg_clip(mg_tensor *y, double limit);

/* ================================================================ floor 2: estimator */

/* out [samples, batch, n] = theta + temperature * noise, or theta * exp(temperature * noise -
 * temperature^2 / 2) for the kind "multiplicative"; theta is [samples, batch, n], or [batch, n] with
 * theta_samples = 1. noise NULL, or temperature 0: no noise. As mg_noise_sample. */
mg_status mg_perturb(const mg_noise *noise, const mg_draw *draw, double temperature,
                     const mg_real *theta, int64_t theta_samples, int64_t samples, int64_t batch,
                     int64_t first_instance, int64_t n, mg_real *out);
/* z [samples, batch, n] = argmax <theta + temperature * noise, z>: mg_perturb and mg_solver_solve
 * in one pass over all threads, nothing but z is stored. Contexts belong to instances: row i % rows
 * for instance i, whatever the sample. warm as in mg_solver_solve, a row for each of samples * batch.
 * Statuses of both. */
mg_status mg_perturb_solve(const mg_solver *s, const mg_noise *noise, const mg_draw *draw,
                           double temperature, const mg_real *theta, int64_t theta_samples,
                           int64_t samples, int64_t batch, int64_t first_instance,
                           const mg_context *context, int contexts, mg_real *z, double *warm,
                           mg_report *report);

/* Projections of theta / tau onto the hull of a solver's solutions (Niculae, Martins, Blondel, Cardie 2018),
 * found by turns: solve the query, hand the solutions to the step, until none is open. */
typedef struct mg_sparsemap mg_sparsemap;

/* For theta [rows, n]; an instance is done when the duality gap is at most tolerance. MG_BAD_ARGUMENT for tau
 * not above 0 and scores that are not finite. Free with mg_sparsemap_free. */
mg_sparsemap *mg_sparsemap_new(const mg_real *theta, int64_t rows, int64_t n, double tau,
                               double tolerance);
void mg_sparsemap_free(mg_sparsemap *p);
/* query [rows, n]: scores whose best solutions the next step wants. */
void mg_sparsemap_query(const mg_sparsemap *p, mg_real *query);
/* Takes them, z [rows, n]; *open: instances not done. O(n k + k^3) for k active solutions. */
mg_status mg_sparsemap_step(mg_sparsemap *p, const mg_real *z, int64_t *open);
/* m [rows, n]: the projections; *atoms: active solutions of all instances. */
void mg_sparsemap_answer(const mg_sparsemap *p, mg_real *m, int64_t *atoms);
/* out [rows, n]: the gradient for theta, with the faces found taken as constant. */
mg_status mg_sparsemap_vjp(const mg_sparsemap *p, const mg_real *u, mg_real *out);

/* For directions D and curved = D H, both [k, n], H the curvature of a regulariser: a = (D H D')^-1 D q [k] and
 * step = D' a [n]. Directions that depend on those before have a = 0. *largest: of |D q|; room [k * k + k]. Answers
 * the gain <a, D q>. O(k^2 (k + n)). */
double mg_hull_newton(const double *directions, const double *curved, int64_t k, int64_t n, const double *q,
                      double *a, double *step, double *largest, double *room);

/* p [rows, n, n] maximises <theta, p> + tau H(p) over doubly stochastic matrices, by at most `most` rounds of
 * Sinkhorn's scaling in the log domain, until row sums are within tolerance of 1; *open counts the instances
 * that did not get there. -inf forbids an entry; a row or column without an allowed one: MG_NO_SOLUTION.
 * O(n^2) a round. */
mg_status mg_sinkhorn(const mg_real *theta, int64_t rows, int64_t n, double tau, double tolerance,
                      int64_t most, mg_real *p, int64_t *open);
/* out [rows, n, n]: the gradient for theta, p the forward result; O(n^3). */
mg_status mg_sinkhorn_vjp(const mg_real *p, const mg_real *dp, int64_t rows, int64_t n, double tau,
                          mg_real *out);

/* Projections P of the Identity method (Sahoo et al. 2023), one instance a row. */
typedef enum mg_projection {
  MG_PROJECT_NONE,
  MG_PROJECT_MEAN, /* x - mean(x) */
  MG_PROJECT_NORM, /* x / |x| */
  MG_PROJECT_STD,  /* norm after mean */
  MG_PROJECTIONS
} mg_projection;

/* out [rows, n] = P(theta); a row whose norm is 0 becomes 0 and is counted. */
mg_status mg_project(mg_projection kind, const mg_real *theta, int64_t rows, int64_t n,
                     mg_real *out, int64_t *zero_norms);
/* out [rows, n] = P'(theta)^T u; 0 where the norm is 0. */
mg_status mg_project_vjp(mg_projection kind, const mg_real *theta, const mg_real *u, int64_t rows,
                         int64_t n, mg_real *out);

#endif
