#!/bin/sh
# sanitize.sh address,undefined|thread [ONLY]: the tests on an instrumented build, any report a failure.
set -u
kind=$1
ONLY=${2:-}
B=build/$(echo "$kind" | tr , -)
make --no-print-directory -j"$(nproc)" SANITIZE="$kind" B=build modules || exit 1
OBJ=build/obj/gcc-$(echo "$kind" | tr , -)
if [ "$kind" = thread ]; then
  PRELOAD=$(gcc -print-file-name=libtsan.so)
  TSAN_OPTIONS="halt_on_error=1 exitcode=66 suppressions=$PWD/tests/tsan.supp"
  # what runs on threads; float suffices
  SPEC_FILES="tests/solver_spec.lua tests/noise_spec.lua tests/estimator_spec.lua tests/nn_layers_spec.lua tests/training_spec.lua"
  REALS=float
  export TSAN_OPTIONS SPEC_FILES REALS
else
  PRELOAD="$(gcc -print-file-name=libasan.so):$(gcc -print-file-name=libubsan.so)"
  ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
  export ASAN_OPTIONS UBSAN_OPTIONS
fi
# programs of others have leaks of their own: they run without the sanitizer
mkdir -p "$B/bin"
for program in cc gcc gnuplot; do
  path=$(command -v "$program") || continue
  printf '#!/bin/sh\nunset LD_PRELOAD\nexec %s "$@"\n' "$path" >"$B/bin/$program"
  chmod +x "$B/bin/$program"
done
PATH=$PWD/$B/bin:$PATH
export PATH
export B OBJ PRELOAD ONLY
FLAGS="-fsanitize=$kind" MAPGRAD_SANITIZER=$kind sh tests/run.sh
