# simcc: everything is built in build/. `make help` lists the targets.

BUILD    ?= build
CC       ?= cc
LLVM     ?= /usr/lib/llvm-19
OPT      ?= -O2
WERROR   ?=
SANITIZE ?=
JOBS     ?= $(shell nproc)
MAKEFLAGS += -j$(JOBS) --no-print-directory
# `make V=1` shows the commands.
Q = $(if $(V),,@)
say = $(if $(V),,@echo "  $(1) $(2)")

WARNINGS = -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes \
           -Wmissing-prototypes -Wvla -Wno-missing-field-initializers
# No contraction: the same arithmetic in every build of the same source.
FLAGS    = -std=c11 -D_GNU_SOURCE -g $(OPT) $(WARNINGS) $(WERROR) $(SANITIZE) \
           -ffp-contract=off -pthread -I. -I$(BUILD) \
           -isystem $(LLVM)/include $(CFLAGS)
LIBS     = -L$(LLVM)/lib -Wl,-rpath,$(LLVM)/lib -lLLVM-19 \
           -lopenblas -lpng -ljpeg -lz -lm

FOLDERS  = ir/base ir passes codegen codegen/plan codegen/cpu \
           frontend/lang frontend/cli \
           $(addprefix runtime/,base exec data files monitor train)
# One process, or with MPI=1 those of an MPI launcher.
RANKS    = $(if $(MPI),one,mpi)
SOURCES  = $(filter-out runtime/exec/ranks_$(RANKS).c, \
             $(sort $(foreach f,$(FOLDERS),$(wildcard $(f)/*.c))))
PARSER   = $(BUILD)/frontend/lang/grammar.o $(BUILD)/frontend/lang/lexer.o
OBJECTS  = $(SOURCES:%.c=$(BUILD)/%.o) $(PARSER)
LIBRARY  = $(filter-out $(BUILD)/frontend/cli/main.o,$(OBJECTS))
TESTS    = $(wildcard tests/*.c tests/unit/*.c tests/grad/*.c tests/diff/*.c \
                      tests/fault/*.c) \
           $(filter-out tests/fuzz/entry.c,$(wildcard tests/fuzz/*.c))

## make: build build/simcc; installs the Debian packages it finds missing
all: $(BUILD)/simcc

$(BUILD)/simcc: $(OBJECTS)
	$(call say,link   ,$@)
	$(Q)$(CC) $(FLAGS) -o $@ $^ $(LIBS)

# In the tests' program alone these calls of ours pass through tests/faults.c,
# which can make them fail.
WRAPPED = malloc calloc realloc aligned_alloc strdup strndup open_memstream \
          mmap open fopen read pread write fsync fflush close rename link \
          unlink mkdir fstat

$(BUILD)/tests/run: $(LIBRARY) $(TESTS:%.c=$(BUILD)/%.o)
	$(call say,link   ,$@)
	$(Q)$(CC) $(FLAGS) $(WRAPPED:%=-Wl,--wrap=%) -o $@ $^ $(LIBS)

$(BUILD)/%.o: %.c | $(BUILD)/packages
	@mkdir -p $(@D)
	$(call say,compile,$<)
	$(Q)$(CC) $(FLAGS) -MMD -MP -c -o $@ $<

# Generated code is not held to our warnings.
$(BUILD)/%.o: $(BUILD)/%.c
	$(call say,compile,$<)
	$(Q)$(CC) $(FLAGS) -w -Ifrontend/lang -MMD -MP -c -o $@ $<

$(BUILD)/frontend/lang/grammar.c $(BUILD)/frontend/lang/grammar.h &: \
		frontend/lang/grammar.y | $(BUILD)/packages
	@mkdir -p $(@D)
	$(call say,bison  ,$<)
	$(Q)bison -Wall -Werror --header=$(BUILD)/frontend/lang/grammar.h \
	      -o $(BUILD)/frontend/lang/grammar.c $<

$(BUILD)/frontend/lang/lexer.c $(BUILD)/frontend/lang/lexer.h &: \
		frontend/lang/lexer.l | $(BUILD)/packages
	@mkdir -p $(@D)
	$(call say,flex   ,$<)
	$(Q)flex --header-file=$(BUILD)/frontend/lang/lexer.h \
	     -o $(BUILD)/frontend/lang/lexer.c $<

$(SOURCES:%.c=$(BUILD)/%.o) $(PARSER): | $(BUILD)/frontend/lang/grammar.h \
                                         $(BUILD)/frontend/lang/lexer.h

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# ---- packages ---------------------------------------------------------------

PACKAGES = gcc libc6-dev flex bison llvm-19-dev libopenblas-pthread-dev \
           libpng-dev libjpeg62-turbo-dev zlib1g-dev \
           $(if $(MPI),libopenmpi-dev openmpi-bin)
LINT_PACKAGES = clang-format

define install
@missing=$$(for p in $(1); do \
    dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' \
    || echo $$p; done); \
if [ -n "$$missing" ]; then \
    echo "simcc needs these Debian packages, which are not installed:"; \
    echo "   " $$missing; \
    if [ $$(id -u) = 0 ]; then sudo=; else sudo=sudo; fi; \
    echo "Installing them: $$sudo apt-get install" $$missing; \
    $$sudo apt-get update -qq && \
    $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
        --no-install-recommends $$missing >/dev/null; \
fi
endef

$(BUILD)/packages: Makefile
	@mkdir -p $(BUILD)
	$(call install,$(PACKAGES))
	@touch $@

# ---- tests ------------------------------------------------------------------

## make test: build and run every test (under ten minutes on two cores)
test: $(BUILD)/simcc $(BUILD)/tests/run
	@BUILD=$(BUILD) sh tests/run.sh

## make asan: the same tests under AddressSanitizer and UBSan, in build/asan
asan:
	@$(MAKE) test BUILD=$(BUILD)/asan OPT='-O1 -fno-omit-frame-pointer' \
	    SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=all'

# What threads share: the pool, the executor, the input, the training loop.
# Nothing of LLVM or OpenBLAS needs to be suppressed.
TSAN_TESTS = pool_test exec_test train_test dataset_test bad_data_test \
             knn_test monitor_test injection_short sums_test

## make mpi: build build/mpi/simcc, for several processes:
##     mpirun -n 2 --bind-to none build/mpi/simcc run ...
# Behind the packages of the plain build: two installations at once fail.
mpi: | $(BUILD)/packages
	@$(MAKE) BUILD=$(BUILD)/mpi MPI=1 CC=mpicc

## make mpi-test: what several processes compute is what one does
mpi-test: $(BUILD)/simcc mpi
	@BUILD=$(BUILD) WITH_MPI=1 sh tests/e2e/ranks_test.sh

## make tsan: the tests of threads under ThreadSanitizer, in build/tsan
tsan:
	@$(MAKE) $(BUILD)/tsan/tests/run BUILD=$(BUILD)/tsan OPT=-O1 \
	    SANITIZE=-fsanitize=thread
	@for t in $(TSAN_TESTS); do \
	    $(BUILD)/tsan/tests/run $$t || exit 1; done

## make kill-test: SIGKILL at KILLS=200 random moments, and resume
kill-test: $(BUILD)/simcc
	@BUILD=$(BUILD) KILLS=$(or $(KILLS),200) sh tests/e2e/kill_test.sh

FUZZ_PACKAGES = clang libclang-rt-14-dev
FUZZ_SOURCES  = $(filter-out tests/fuzz/replay_test.c,$(wildcard tests/fuzz/*.c))
FUZZ_FOLDER   = $(BUILD)/fuzz
# Under another compiler, with its coverage and the sanitizers.
FUZZ_FLAGS    = -O1 -fsanitize=fuzzer-no-link,address,undefined \
                -fno-sanitize-recover=all -Wno-unknown-pragmas

## make fuzz: coverage-guided fuzzing of every reader; SECONDS=600 for each,
##     ONLY="net png", KEEP=no adds nothing to tests/fuzz/corpus
fuzz:
	$(call install,$(FUZZ_PACKAGES))
	@$(MAKE) fuzz-objects BUILD=$(FUZZ_FOLDER) CC=clang OPT='$(FUZZ_FLAGS)'
	@FUZZ=$(FUZZ_FOLDER) FLAGS='$(FUZZ_FLAGS)' LIBS='$(LIBS)' sh tests/fuzz/run.sh
fuzz-objects: $(LIBRARY) $(patsubst %.c,$(BUILD)/%.o,$(filter-out tests/fuzz/entry.c,$(FUZZ_SOURCES)))
	@ar rcs $(BUILD)/library.a $^

## make lint: dependency ladder, sizes, table meta-tests, format
lint:
	$(call install,$(LINT_PACKAGES))
	@sh tests/lint.sh

## make format: rewrite the sources in the house style
format:
	@find ir passes codegen runtime frontend tests bench -name '*.[ch]' \
	    | xargs clang-format -i

## make demo: pretrain, fine-tune, distill and compare on drawn images
demo: $(BUILD)/simcc
	@BUILD=$(BUILD) sh tests/e2e/demo.sh

# ---- measuring --------------------------------------------------------------

# The peers of `make bench` need none of this to be there: who is missing is
# said so in the table. BENCH_PYTHON is the Python that has torch and jax.
BENCH_PACKAGES = libdnnl-dev libgomp1
BENCH = $(BUILD)/bench
# bench/onednn.c speaks to version 2, which Debian 12 has.
ONEDNN := $(shell grep -qs 'VERSION_MAJOR 2$$' \
    /usr/include/oneapi/dnnl/dnnl_version.h && echo yes)
ONEDNN_SOURCE = $(if $(ONEDNN),onednn,onednn_missing)
ONEDNN_LIBS = $(if $(ONEDNN),-ldnnl -lgomp)

$(BENCH)/peak: $(BENCH)/peak.o
$(BENCH)/conv: $(BENCH)/conv.o $(BENCH)/conv_list.o $(BENCH)/$(ONEDNN_SOURCE).o
$(BENCH)/step: $(BENCH)/step.o
$(BENCH)/steps: $(BENCH)/steps.o
$(BENCH)/compile: $(BENCH)/compile.o
$(BENCH)/input: $(BENCH)/input.o $(BENCH)/input_photos.o
$(BENCH)/rounding: $(BENCH)/rounding.o
$(BENCH)/report: $(BENCH)/report.o $(BENCH)/records.o $(BENCH)/chart.o

BENCH_PROGRAMS = $(addprefix $(BENCH)/,peak compile conv step steps input \
                                       rounding report)
$(BENCH_PROGRAMS): $(BENCH)/bench.o $(LIBRARY)
	$(CC) $(FLAGS) -o $@ $^ $(LIBS) $(if $(filter %/conv,$@),$(ONEDNN_LIBS))

bench-programs: $(BENCH_PROGRAMS) $(BUILD)/simcc

## make bench: speed and memory beside oneDNN, PyTorch and JAX (twenty minutes);
##     CASES="r18_32 r50_64" of bench/cases.def alone
bench:
	-$(call install,$(BENCH_PACKAGES))
	@$(MAKE) bench-programs
	@BUILD=$(BUILD) sh bench/run.sh

## make bench-input: reading and augmenting images beside torchvision; DATA=DIR
##     reads those instead of drawn ones
bench-input: $(BENCH)/input
	@BUILD=$(BUILD) $(BENCH)/input $(DATA)

## make clean: remove build/
clean:
	rm -rf $(BUILD)

## make help: this list
help:
	@grep -h '^## ' Makefile | sed 's/^## //'

.PHONY: all test asan tsan mpi mpi-test kill-test fuzz fuzz-objects lint \
        format demo bench bench-programs bench-input clean help
.DELETE_ON_ERROR:
