# Syncline. `make help` lists what can be asked for.

CC ?= gcc
BUILD ?= build
SANITIZE ?=
PKGS = libczmq libzmq msgpack libpq hiredis jansson libxxhash libcrypto smartcols
WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wvla
VERSION := $(shell cat VERSION 2>/dev/null || echo 0)
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -DSYNCLINE_VERSION='"$(VERSION)"' -I. -Ishared $(WARN) \
  $(if $(CI),-Werror) $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all) \
  $(CFLAGS) $(shell pkg-config --cflags $(PKGS) 2>/dev/null) -pthread
ALL_LIBS = $(shell pkg-config --libs $(PKGS) 2>/dev/null) -pthread
TEST_LIBS = $(ALL_LIBS) -lcmocka

PROCESSES = planner watcher mover verifier
SHARED_SRC = $(wildcard shared/*/*.c shared/asset/*/*.c)
SHARED_OBJ = $(SHARED_SRC:%.c=$(BUILD)/obj/%.o)
LIB = $(BUILD)/libsyncline.a
PROGRAMS = $(BUILD)/bin/syncline $(PROCESSES:%=$(BUILD)/bin/syncline-%)
# a test is one .c file with a main; it may use every file of a process but its main.c
TESTS_UNIT = $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/*.c tests/contract/*.c))

.DEFAULT_GOAL := all
.PHONY: all deps demo test unit e2e check check-deep bench format install clean help
.SECONDARY:
.DELETE_ON_ERROR:

all: $(PROGRAMS) ## build the programs into build/bin

$(LIB): $(SHARED_OBJ)
	@mkdir -p $(@D)
	@rm -f $@ && ar rcs $@ $^

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# the SQL migrations travel inside the programs
$(BUILD)/obj/shared/store/migrations.o: $(wildcard schema/sql/*.sql)

define process
$(1)_OBJ = $$(patsubst %.c,$$(BUILD)/obj/%.o,$$(wildcard $(1)/*.c))
$$(BUILD)/bin/syncline-$(1): $$($(1)_OBJ) $$(LIB)
	@mkdir -p $$(@D)
	$$(CC) $$(ALL_CFLAGS) $$^ -o $$@ $$(ALL_LIBS)
endef
$(foreach p,$(PROCESSES),$(eval $(call process,$(p))))

CTL_OBJ = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard ctl/*.c stack/*.c))
$(BUILD)/bin/syncline: $(CTL_OBJ) $(LIB)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $^ -o $@ $(ALL_LIBS)

PROCESS_PURE_OBJ = $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out %/main.c,$(wildcard $(PROCESSES:%=%/*.c))))
$(BUILD)/tests/%: tests/%.c $(PROCESS_PURE_OBJ) $(LIB) $(wildcard tests/harness/*.c) $(wildcard tests/harness/*.h)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -Itests $< $(wildcard tests/harness/*.c) $(PROCESS_PURE_OBJ) $(LIB) -o $@ $(TEST_LIBS)

unit: $(TESTS_UNIT)
	@for t in $^; do echo "== $$t"; $$t || exit 1; done

clean: ## remove what was built
	rm -rf build

help: ## show this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
