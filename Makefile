# mapgrad. `make help` lists what there is.
#
# Variants: CC=clang, ARCH=x86-64-v3 (default native), DEBUG=1, SANITIZE=address,undefined or thread,
# LUAS="lua5.4 luajit". Every variant has its own folder of objects. CBC= leaves integer programs out, MPI=
# training over several processes.

CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
LUAS ?= lua5.4 luajit
REALS := float double
ARCH ?= native
PREFIX ?= /usr/local
ONLY ?=
TIME ?=
B ?= build

# Debian packages: to build and run, and to test. The one list of them. Integer programs (g++, coinor-libcbc-dev) and
# Open MPI (libopenmpi-dev, openmpi-bin) are optional.
PACKAGES_RUN := gcc make pkg-config libc6-dev lua5.4 liblua5.4-dev luajit libluajit-5.1-dev lua-argparse \
  lua-filesystem libopenblas-dev libpng-dev zlib1g-dev libzip-dev libjansson-dev libedit-dev gnuplot-nox
PACKAGES_TEST := $(PACKAGES_RUN) g++ coinor-libcbc-dev libopenmpi-dev openmpi-bin lua-busted lua-check \
  libcmocka-dev luarocks clang freeciv-data git parallel
PACKAGES_SANITIZE := $(PACKAGES_TEST) libclang-rt-14-dev

comma := ,
ifdef SANITIZE
VARIANT := -$(subst $(comma),-,$(SANITIZE))
OPTIMISE := -O1 -g -fno-omit-frame-pointer -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
LINK_EXTRA := -fsanitize=$(SANITIZE)
ARCH := x86-64-v2
else ifdef DEBUG
VARIANT := -debug
OPTIMISE := -Og -g
else
VARIANT :=
OPTIMISE := -O3 -DNDEBUG -D_FORTIFY_SOURCE=2 -fstack-protector-strong
endif
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
ifndef LENIENT
WARNINGS += -Werror
endif
# COIN-OR CBC solves integer programs: where it and a C++ compiler are, or with CBC= not at all.
CXX := $(if $(filter clang%,$(notdir $(CC))),$(patsubst clang%,clang++%,$(CC)),g++)
CBC ?= $(shell pkg-config --exists cbc 2>/dev/null && command -v $(CXX) 2>/dev/null)
# Open MPI joins processes: where it is, or with MPI= not at all.
MPI ?= $(shell pkg-config --exists mpi 2>/dev/null && echo yes)
# No fast-math: infinities and NaN carry meaning. No contraction: the same bits on any machine that has
# the same BLAS kernels.
MODE := -std=c11 -D_GNU_SOURCE -fPIC -fno-math-errno -fno-trapping-math -ffp-contract=off -march=$(ARCH)
C = $(CC) $(MODE) $(OPTIMISE) $(WARNINGS) -Icore -MMD -MP $(CFLAGS_EXTRA)
LIBS := $(shell pkg-config --libs openblas libpng zlib libzip jansson libedit 2>/dev/null) -lm -lpthread
# COIN-OR's headers are not ours to warn about.
CXX_CBC = $(CXX) -std=c++11 $(filter-out -std=%,$(MODE)) $(OPTIMISE) \
  $(filter-out -Wstrict-prototypes -Wmissing-prototypes,$(WARNINGS)) -Icore -MMD -MP \
  $(patsubst -I%,-isystem %,$(shell pkg-config --cflags cbc))
LIBS_CBC = $(shell pkg-config --libs-only-L cbc) -lCbc -lCgl -lOsiClp -lOsi -lClp -lCoinUtils -lstdc++ -lm
# nodelete: the pool's workers outlive a Lua state that closes.
LINK = $(CC) -shared -Wl,--version-script=core/exports.map -Wl,-z,relro,-z,now,-z,nodelete $(LINK_EXTRA)

O := $(B)/obj/$(notdir $(CC))$(VARIANT)
OUT := $(B)$(if $(VARIANT),/$(patsubst -%,%,$(VARIANT)))
CORE := $(wildcard core/*/*.c)
BINDING := $(filter-out lua/binding/mpi_module.c,$(wildcard lua/binding/*.c))
MODULES := $(foreach l,$(LUAS),$(OUT)/$(l)/mapgrad/core.so $(OUT)/$(l)/mapgrad/core_double.so) \
  $(foreach l,$(LUAS),$(OUT)/$(l)/mapgrad/cbc.$(if $(CBC),so,none) $(OUT)/$(l)/mapgrad/mpi_module.$(if $(MPI),so,none))
define_float :=
define_double := -DMG_DOUBLE
suffix_float :=
suffix_double := _double
lua_cflags = $(if $(LUA_CFLAGS),$(LUA_CFLAGS),$(shell pkg-config --cflags $(1)))

.DEFAULT_GOAL := all
.PHONY: all help test check asan tsan fuzz bench demo repl run rock docs install uninstall clean packages \
  packages-test packages-sanitize modules

help:
	@echo 'make             the module for Lua 5.4 and LuaJIT, float and double, and build/mapgrad'
	@echo 'make demo        install what is missing, build, learn terrain costs from paths'
	@echo 'make test        install what is missing, build, all tests; ONLY=name: specs whose file name matches'
	@echo 'make check       both compilers, luacheck, floors, header'
	@echo 'make asan, tsan  the tests under the address and undefined-behaviour, or the thread sanitizer'
	@echo 'make fuzz        hostile files for the readers; ONLY=npy TIME=600 (seconds for each; default 60)'
	@echo 'make bench       timings, one JSON line an entry; ONLY=name: those that match; PEERS=1: PyTorch too'
	@echo 'make repl        the interactive prompt'
	@echo 'make run FILE=experiments/warcraft_path.lua SET="epochs=5 data=terrain"'
	@echo 'make rock        build and install the LuaRocks package into fresh trees, and use it'
	@echo 'make docs        reference pages from the sources: comes later'
	@echo 'make install     to PREFIX=$(PREFIX) (DESTDIR honoured); make uninstall takes it away'
	@echo 'make clean       remove build/'
	@echo 'make CBC=        without COIN-OR CBC, that is without integer programs; it is left out where it is missing'
	@echo 'make MPI=        without Open MPI, that is without mapgrad.mpi on more than one process; likewise'

all: modules $(OUT)/mapgrad
modules: $(MODULES)

# ---------------------------------------------------------------- compiling

# $(1) real: objects of the core
define core_rules
CORE_$(1) := $(patsubst core/%.c,$(O)/$(1)/core/%.o,$(CORE))
$(O)/$(1)/core/%.o: core/%.c
	@mkdir -p $$(@D)
	@echo 'cc $$<, $(1)'
	@$$(C) $(define_$(1)) -c $$< -o $$@
endef
$(foreach r,$(REALS),$(eval $(call core_rules,$(r))))

# $(1) Lua, $(2) real: objects of the binding, the module
define module_rules
$(O)/$(2)/$(1)/%.o: lua/binding/%.c
	@mkdir -p $$(@D)
	@echo 'cc $$<, $(2), $(1)'
	@$$(C) $(define_$(2)) $$(call lua_cflags,$(1)) -c $$< -o $$@
$(OUT)/$(1)/mapgrad/core$(suffix_$(2)).so: $(CORE_$(2)) \
  $(patsubst lua/binding/%.c,$(O)/$(2)/$(1)/%.o,$(BINDING)) core/exports.map
	@mkdir -p $$(@D)
	@echo 'ld $$@'
	@$$(LINK) -o $$@ $$(filter %.o,$$^) $$(LIBS)
endef
$(foreach l,$(LUAS),$(foreach r,$(REALS),$(eval $(call module_rules,$(l),$(r)))))

# COIN-OR CBC, the same for any Lua and real; without it, an empty file in place of the module.
$(O)/cbc_module.o: core/solver/cbc_module.cpp
	@mkdir -p $(@D)
	@echo 'c++ $<'
	@$(CXX_CBC) -c $< -o $@
$(OUT)/%/mapgrad/cbc.so: $(O)/cbc_module.o core/exports.map
	@mkdir -p $(@D)
	@rm -f $(@D)/cbc.none
	@echo 'ld $@'
	@$(LINK) -o $@ $< $(LIBS_CBC)

# Open MPI, one for each Lua, the same for any real. Its headers are not ours to warn about.
define mpi_rules
$(O)/mpi/$(1)/mpi_module.o: lua/binding/mpi_module.c
	@mkdir -p $$(@D)
	@echo 'cc $$<, $(1)'
	@$$(C) $$(call lua_cflags,$(1)) $$(patsubst -I%,-isystem %,$$(shell pkg-config --cflags mpi)) -c $$< -o $$@
$(OUT)/$(1)/mapgrad/mpi_module.so: $(O)/mpi/$(1)/mpi_module.o core/exports.map
	@mkdir -p $$(@D)
	@rm -f $$(@D)/mpi_module.none
	@echo 'ld $$@'
	@$$(LINK) -o $$@ $$< $$(shell pkg-config --libs mpi)
endef
$(foreach l,$(LUAS),$(eval $(call mpi_rules,$(l))))

# In place of an optional module that is left out.
$(OUT)/%.none:
	@mkdir -p $(@D)
	@rm -f $(@:.none=.so)
	@touch $@

# The one file where products and sums are fused, as in BLAS.
$(O)/%/core/op/tile_product.o: CFLAGS_EXTRA += -ffp-contract=fast

-include $(shell find $(O) -name '*.d' 2>/dev/null)

# The command of this checkout. MAPGRAD_LUA chooses the interpreter.
$(OUT)/mapgrad: Makefile
	@mkdir -p $(@D)
	@printf '%s\n' '#!/bin/sh' '# The mapgrad command of this checkout.' \
	  'here=$$(CDPATH= cd -- "$$(dirname -- "$$0")" && pwd)' \
	  'top=$(CURDIR)' \
	  'lua=$${MAPGRAD_LUA:-luajit}' \
	  'LUA_PATH="$$top/lua/?.lua;$$top/lua/?/init.lua;$${LUA_PATH:-;}"' \
	  'LUA_CPATH="$$here/$$lua/?.so;$${LUA_CPATH:-;}"' \
	  'export LUA_PATH LUA_CPATH' \
	  'exec "$$lua" "$$top/lua/mapgrad/cli/mapgrad" "$$@"' > $@
	@chmod +x $@

# ---------------------------------------------------------------- packages

packages: ; @sh tests/packages.sh $(PACKAGES_RUN)
packages-test: ; @sh tests/packages.sh $(PACKAGES_TEST)
packages-sanitize: ; @sh tests/packages.sh $(PACKAGES_SANITIZE)

# ---------------------------------------------------------------- commands; the packages come first

test: packages-test
	@$(MAKE) --no-print-directory all
	@B=$(B) CC=$(CC) LUAS="$(LUAS)" ONLY="$(ONLY)" sh tests/run.sh

check: packages-test
	@sh tests/check.sh

asan: packages-sanitize
	@sh tests/sanitize.sh address,undefined "$(ONLY)"

tsan: packages-sanitize
	@sh tests/sanitize.sh thread "$(ONLY)"

fuzz: packages-sanitize
	@sh tests/fuzz/run.sh "$(ONLY)" "$(TIME)"

bench: packages
	@$(MAKE) --no-print-directory all >&2
	@ONLY="$(ONLY)" sh tests/bench/run.sh

demo: packages
	@$(MAKE) --no-print-directory all
	@$(B)/mapgrad run experiments/warcraft_path.lua --variants imle

repl: packages
	@$(MAKE) --no-print-directory all
	@$(B)/mapgrad repl

run: packages
	@$(MAKE) --no-print-directory all
	@$(B)/mapgrad run $(FILE) $(foreach s,$(SET),--set $(s))

rock: packages-test
	@sh rocks/try.sh

docs:
	@echo 'make docs: reference pages come later; until then ?name in the REPL shows the same texts'

clean:
	rm -rf $(B)

# ---------------------------------------------------------------- installing

# LuaRocks sets INST_LIBDIR, INST_LUADIR, INST_BINDIR and names one Lua; `make install` takes the first
# of LUAS, or LUA=luajit.
LUA ?= $(firstword $(LUAS))
LUA_FOLDER = $(if $(filter luajit,$(LUA)),5.1,5.4)
# Where things lie when they run, DESTDIR left out; a rock's wrapper knows by itself.
RUN_LIBDIR = $(PREFIX)/lib/lua/$(LUA_FOLDER)
RUN_LUADIR = $(PREFIX)/share/lua/$(LUA_FOLDER)
INST_LIBDIR ?= $(DESTDIR)$(RUN_LIBDIR)
INST_LUADIR ?= $(DESTDIR)$(RUN_LUADIR)
INST_BINDIR ?= $(DESTDIR)$(PREFIX)/bin
LUA_FILES := $(shell find lua/mapgrad -name '*.lua' -o -name '*.json' | sort)

OPTIONAL := $(if $(CBC),cbc) $(if $(MPI),mpi_module)

install: $(foreach f,core core_double $(OPTIONAL),$(OUT)/$(LUA)/mapgrad/$(f).so)
	@rm -f "$(INST_LIBDIR)/mapgrad/cbc.so" "$(INST_LIBDIR)/mapgrad/mpi_module.so"
	@for f in $(LUA_FILES:lua/%=%); do \
	  install -D -m 644 lua/$$f "$(INST_LUADIR)/$$f" || exit 1; done
	@for f in core core_double $(OPTIONAL); do \
	  install -D -m 755 $(OUT)/$(LUA)/mapgrad/$$f.so "$(INST_LIBDIR)/mapgrad/$$f.so" || exit 1; done
	@mkdir -p "$(INST_BINDIR)"
	@{ echo '#!/usr/bin/env $(LUA)'; \
	  [ $(LUA) = rock ] || printf 'package.path = "%s/?.lua;%s/?/init.lua;" .. package.path\n' $(RUN_LUADIR) $(RUN_LUADIR); \
	  [ $(LUA) = rock ] || printf 'package.cpath = "%s/?.so;" .. package.cpath\n' $(RUN_LIBDIR); \
	  tail -n +2 lua/mapgrad/cli/mapgrad; } > "$(INST_BINDIR)/mapgrad"
	@chmod 755 "$(INST_BINDIR)/mapgrad"
	@[ $(LUA) = rock ] || for f in $(PAGES); do \
	  mkdir -p "$(SHARE)/$$(dirname $${f%%=*})" && $(HERE) $$(echo $${f#*=} | tr + ' ') > "$(SHARE)/$${f%%=*}" || exit 1; done

# What is made by the command itself, FILE=WORDS, for a prefix; LuaRocks has no place for it.
SHARE = $(DESTDIR)$(PREFIX)/share
PAGES = man/man1/mapgrad.1=help+--man bash-completion/completions/mapgrad=completion+bash \
  zsh/site-functions/_mapgrad=completion+zsh fish/vendor_completions.d/mapgrad.fish=completion+fish
HERE = LUA_PATH="lua/?.lua;lua/?/init.lua;;" LUA_CPATH="$(OUT)/$(LUA)/?.so;;" $(LUA) lua/mapgrad/cli/mapgrad

uninstall:
	rm -rf "$(INST_LUADIR)/mapgrad" "$(INST_LIBDIR)/mapgrad" "$(INST_BINDIR)/mapgrad"
	for f in $(PAGES); do rm -f "$(SHARE)/$${f%%=*}"; done
