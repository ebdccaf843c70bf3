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
           -ffp-contract=off -ffile-prefix-map=$(CURDIR)=. -pthread -I. -I$(BUILD) \
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

# ---- what `simcc bundle` puts into libraries --------------------------------

# The runtime for nets alone, and the reader of pictures with libpng and
# libjpeg: an object each, in which nothing but the functions of simcc.h can be
# seen. They lie inside build/simcc.
BUNDLE = $(BUILD)/bundled
BUNDLE_RUNTIME = runtime/bundle/net.c runtime/train/class_metrics.c \
    runtime/files/artifact.c $(wildcard runtime/data/augment*.c) \
    $(filter-out runtime/exec/loader.c runtime/exec/ranks_mpi.c runtime/exec/peers.c, \
        $(wildcard runtime/exec/*.c)) \
    $(addprefix runtime/base/,status.c checksum.c philox.c cgroup.c file.c)
BUNDLE_PICTURE = runtime/bundle/picture.c $(wildcard runtime/data/image*.c) \
    $(addprefix runtime/base/,status.c file.c pretender.c)
BUNDLE_FLAGS = -std=c11 -D_GNU_SOURCE -O2 -fPIC -fvisibility=hidden \
    -ffunction-sections -fdata-sections -ffp-contract=off -pthread $(WARNINGS) \
    $(WERROR) -isystem runtime/bundle/blas -I.

$(BUNDLE)/%.o: %.c | $(BUILD)/packages
	@mkdir -p $(@D)
	$(call say,compile,$< for bundles)
	$(Q)$(CC) $(BUNDLE_FLAGS) -MMD -MP -c -o $@ $<

# Keeps what can be reached from the functions of simcc.h, and shows these. They
# need nothing but the C library.
define bundle_object
$(call say,bundle ,$@)
$(Q)ld -r --gc-sections $(2:%=-u %) -o $@.part $(1)
$(Q)objcopy --strip-debug --remove-section=.comment \
    --remove-section=.note.gnu.property $(2:%=--keep-global-symbol=%) $@.part $@
$(Q)$(CC) -shared -Wl,-z,defs -o $@.part $@ -lpthread -lm
@rm $@.part
endef
# The functions of runtime/bundle/simcc.h.
FUNCTIONS = $(addprefix simcc_,init free put input input_size run output width \
    batch classify class target bytes)
READERS = simcc_read simcc_drop

$(BUNDLE)/runtime.o: $(BUNDLE_RUNTIME:%.c=$(BUNDLE)/%.o) runtime/bundle/simcc.h
	$(call bundle_object,$(filter %.o,$^),$(FUNCTIONS))
$(BUNDLE)/picture.o: $(BUNDLE_PICTURE:%.c=$(BUNDLE)/%.o) \
                     $(addprefix $(BUNDLE)/lib,png.a jpeg.a z.a)
	$(call bundle_object,$^,$(READERS))
# These are made for programs: only by another name can the C library's stderr
# be reached in a shared library (picture.c).
$(BUNDLE)/lib%.a: | $(BUILD)/packages
	@mkdir -p $(@D)
	$(Q)objcopy --redefine-sym stderr=simcc_stderr \
	    $$($(CC) -print-file-name=lib$*.a) $@

# The assembler looks for both there.
$(BUILD)/frontend/cli/bundle_files.o: $(BUNDLE)/runtime.o $(BUNDLE)/picture.o \
    $(addprefix runtime/bundle/,simcc.h example.c example.mk)
$(BUILD)/frontend/cli/bundle_files.o: FLAGS += -Wa,-I$(BUNDLE) -Wa,-I.

# The same two as a shared library, for programs of several nets, which they
# link or load alone. SIMCC_API is in its name and in its symbols' version.
API = $(shell sed -n 's/^.define SIMCC_API //p' runtime/bundle/simcc.h)
LIBSIMCC = $(BUILD)/libsimcc.so.$(API)
$(LIBSIMCC): $(BUNDLE)/runtime.o $(BUNDLE)/picture.o
	$(call say,link   ,$@)
	@printf 'SIMCC_$(API) { global: $(FUNCTIONS:%=%;) $(READERS:%=%;) local: *; };\n' \
	    > $(BUNDLE)/libsimcc.map
	$(Q)$(CC) -shared -Wl,-soname,$(@F) -Wl,-z,defs -Wl,-z,noexecstack \
	    -Wl,--version-script=$(BUNDLE)/libsimcc.map -o $@ $^ -lpthread -lm

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

# Machine code that was kept belongs to the code that made it.
EMITTERS = $(sort $(wildcard codegen/*.[ch] codegen/*/*.[ch] codegen/*/*.def))
$(BUILD)/codegen/codegen.o: $(EMITTERS)
$(BUILD)/codegen/codegen.o: FLAGS += -DCODEGEN_VERSION='"$(shell \
    cat $(EMITTERS) | cksum | cut -d' ' -f1)"'

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

-include $(shell find $(BUILD) -type f -name '*.d' 2>/dev/null)

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

# ---- installing -------------------------------------------------------------

PREFIX  ?= /usr/local
DESTDIR ?=
VERSION = $(shell sed -n 's/.*SIMCC_VERSION "\(.*\)"/\1/p' frontend/cli/cli.h)
COMMANDS = $(shell sed -n 's/^COMMAND.[a-z_]*, "\([a-z ]*\)",/\1/p' \
    frontend/cli/commands.def | tr ' ' -)
# What is to be installed, as it will lie in PREFIX.
STAGE = $(BUILD)/stage

$(STAGE)/made: $(BUILD)/simcc $(LIBSIMCC) $(shell find models docs -type f) \
               README.md Makefile
	$(call say,stage  ,$(STAGE))
	@rm -rf $(STAGE)
	@mkdir -p $(STAGE)/bin $(STAGE)/share/man/man1 $(STAGE)/share/simcc/models \
	    $(STAGE)/share/doc/simcc $(STAGE)/share/bash-completion/completions \
	    $(STAGE)/share/zsh/site-functions $(STAGE)/share/vim/vimfiles \
	    $(STAGE)/share/fish/vendor_completions.d $(STAGE)/share/simcc/editors \
	    $(STAGE)/include $(STAGE)/lib/pkgconfig
	@strip -o $(STAGE)/bin/simcc $(BUILD)/simcc
	@cp $(LIBSIMCC) $(STAGE)/lib
	@ln -s libsimcc.so.$(API) $(STAGE)/lib/libsimcc.so
	@cp runtime/bundle/simcc.h $(STAGE)/include
	@printf '%s\n' 'prefix=$${pcfiledir}/../..' 'Name: simcc' 'Version: $(VERSION)' \
	    'Description: runs nets that simcc bundle made' \
	    'Cflags: -I$${prefix}/include' 'Libs: -L$${prefix}/lib -lsimcc' \
	    > $(STAGE)/lib/pkgconfig/simcc.pc
	@cp -r models/. $(STAGE)/share/simcc/models
	@cp -r README.md docs/*.md $(STAGE)/share/doc/simcc
	@cp -r docs/editors/vscode $(STAGE)/share/simcc/editors/vscode
	@cp -r docs/editors/vim/. $(STAGE)/share/vim/vimfiles
	@$(BUILD)/simcc help --as man > $(STAGE)/share/man/man1/simcc.1
	@for c in $(COMMANDS); do \
	    $(BUILD)/simcc help $$(echo $$c | tr - ' ') --as man \
	        > $(STAGE)/share/man/man1/simcc-$$c.1 || exit 1; done
	@$(BUILD)/simcc help --as bash > $(STAGE)/share/bash-completion/completions/simcc
	@$(BUILD)/simcc help --as zsh > $(STAGE)/share/zsh/site-functions/_simcc
	@$(BUILD)/simcc help --as fish > $(STAGE)/share/fish/vendor_completions.d/simcc.fish
	@cd $(STAGE) && find . ! -type d ! -name made.part | sort > made.part && \
	    mv made.part made

## make install: to PREFIX=/usr/local, below DESTDIR if that is given
install: $(STAGE)/made
	@while read -r file; do \
	    mode=644; [ "$$file" != ./bin/simcc ] || mode=755; \
	    install -D -m $$mode "$(STAGE)/$$file" "$(DESTDIR)$(PREFIX)/$$file" || exit 1; \
	    [ ! -L "$(STAGE)/$$file" ] || \
	        cp -Pf "$(STAGE)/$$file" "$(DESTDIR)$(PREFIX)/$$file" || exit 1; \
	done < $(STAGE)/made
	@echo "simcc is in $(DESTDIR)$(PREFIX)/bin"

## make uninstall: removes what `make install` put there
uninstall: $(STAGE)/made
	@while read -r file; do rm -f "$(DESTDIR)$(PREFIX)/$$file"; done < $(STAGE)/made
	@cd $(STAGE) && find . -mindepth 2 -depth -type d | while read -r folder; do \
	    [ ! -d "$(DESTDIR)$(PREFIX)/$$folder" ] || \
	    rmdir --ignore-fail-on-non-empty "$(DESTDIR)$(PREFIX)/$$folder"; done

## make deb: build/simcc_VERSION_amd64.deb
deb: $(STAGE)/made
	@rm -rf $(BUILD)/deb
	@$(MAKE) install DESTDIR=$(BUILD)/deb PREFIX=/usr >/dev/null
	@mkdir -p $(BUILD)/deb/DEBIAN
	@printf '%s\n' 'Package: simcc' 'Version: $(VERSION)' 'Architecture: amd64' \
	    'Maintainer: simcc <simcc@localhost>' 'Section: science' 'Priority: optional' \
	    "Installed-Size: $$(du -sk --apparent-size $(BUILD)/deb/usr | cut -f1)" \
	    'Depends: libc6, libllvm19, libopenblas0-pthread, libpng16-16, libjpeg62-turbo, zlib1g' \
	    'Description: compiler and runtime for SimCLRv2' \
	    ' Compiles networks, losses and training phases from .net files to machine' \
	    ' code and trains them on images.' > $(BUILD)/deb/DEBIAN/control
	@echo 'activate-noawait ldconfig' > $(BUILD)/deb/DEBIAN/triggers
	@find $(BUILD)/deb -exec touch -h -d @$(EPOCH) {} +
	@SOURCE_DATE_EPOCH=$(EPOCH) dpkg-deb --root-owner-group -Zgzip --build \
	    $(BUILD)/deb $(BUILD)/simcc_$(VERSION)_amd64.deb
# Of the last commit, so that the same source makes the same package.
EPOCH = $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

# ---- tests ------------------------------------------------------------------

## make test: build and run every test (under ten minutes on two cores)
test: $(BUILD)/simcc $(BUILD)/tests/run $(BUILD)/bench/compile
	@BUILD=$(BUILD) sh tests/run.sh

## make asan: the same tests under AddressSanitizer and UBSan, in build/asan
asan:
	@$(MAKE) test BUILD=$(BUILD)/asan OPT='-O1 -fno-omit-frame-pointer' \
	    SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=all'

# What threads share: the pool, the executor, the input, the training loop, the
# kernels to compile. Races within LLVM are not reported (tests/harness.c).
TSAN_TESTS = pool_test exec_test train_test dataset_test bad_data_test \
             knn_test monitor_test injection_short sums_test peers_test ahead

## make mpi: build build/mpi/simcc, for several processes:
##     mpirun -n 2 --bind-to none build/mpi/simcc run ...
# Behind the packages of the plain build: two installations at once fail.
mpi: | $(BUILD)/packages
	@$(MAKE) BUILD=$(BUILD)/mpi MPI=1 CC=mpicc

## make mpi-test: what several processes compute is what one does; one of them is
##     killed KILLS=3 times
mpi-test: $(BUILD)/simcc mpi
	@for t in ranks ranks_data ranks_slurm ranks_kill; do \
	    BUILD=$(BUILD) WITH_MPI=1 sh tests/e2e/$${t}_test.sh || exit 1; done

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
lint: $(BUILD)/simcc
	$(call install,$(LINT_PACKAGES))
	@BUILD=$(BUILD) sh tests/lint.sh

## make format: rewrite the sources in the house style
format: $(BUILD)/simcc
	@$(BUILD)/simcc fmt -q $$(find models bench docs tests/reference tests/e2e \
	    -name '*.net')
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
	$(call say,link   ,$@)
	$(Q)$(CC) $(FLAGS) -o $@ $^ $(LIBS) $(if $(filter %/conv,$@),$(ONEDNN_LIBS))

bench-programs: $(BENCH_PROGRAMS) $(BUILD)/simcc

## make bench: speed and memory beside oneDNN, PyTorch and JAX (half an hour);
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

.PHONY: all install uninstall deb test asan tsan mpi mpi-test kill-test fuzz fuzz-objects lint \
        format demo bench bench-programs bench-input clean help
.DELETE_ON_ERROR:
