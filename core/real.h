/* The one real type: float in the product, double in the twin built from the same files. */
#ifndef MG_REAL_H
#define MG_REAL_H
#ifdef MG_DOUBLE
typedef double mg_real;
#else
typedef float mg_real;
#endif
#endif
