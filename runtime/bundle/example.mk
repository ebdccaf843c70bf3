# Builds the example; `make lib@NAME@.so` makes a shared library of the same,
# `make @NAME@.so` one of the net alone, for programs that link with -lsimcc.
CC ?= cc
CFLAGS ?= -O2
LIBS = @LIBS@-lpthread -lm

@NAME@: main.c @NAME@.h simcc.h lib@NAME@.a
	$(CC) $(CFLAGS) -o $@ main.c lib@NAME@.a $(LIBS)

lib@NAME@.so: lib@NAME@.a
	$(CC) -shared -o $@ -Wl,--whole-archive lib@NAME@.a \
	    -Wl,--no-whole-archive $(LIBS)

@NAME@.so: lib@NAME@.a
	ar p lib@NAME@.a net.o > net.o
	$(CC) -shared -o $@ net.o $(LIBS)

clean:
	rm -f @NAME@ lib@NAME@.so @NAME@.so net.o
.PHONY: clean
