# Syncline. `make help` lists what can be asked for.
#
#   BUILD=DIR        where everything that is built goes (build)
#   SANITIZE=LIST    address,undefined or thread: use a BUILD of its own
#   CI=1             a warning is an error
#   V=1              shows the commands

CC ?= gcc
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
SANITIZE ?=
CFLAGS ?= -O2 -g
VERSION := $(shell cat VERSION)

# Parallel unless somebody said otherwise; a make below another one shares its jobs.
ifeq ($(MAKELEVEL),0)
ifeq ($(filter -j% --jobs%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif
endif

# Asked once, and only for what compiles. On a fresh machine nothing of this is there before `make deps`, so
# targets that install it go on in a make of their own.
PKGS = libczmq libzmq msgpack libpq hiredis jansson yaml-0.1 libmicrohttpd libxxhash libcrypto smartcols
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null)

WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wvla $(if $(CI),-Werror)
DEFINES = -D_GNU_SOURCE -DSYNCLINE_VERSION='"$(VERSION)"'
INCLUDES = -I. -Ishared
SANITIZERS = $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)
ALL_CFLAGS = -std=c11 $(DEFINES) $(INCLUDES) $(WARN) $(SANITIZERS) $(CFLAGS) $(PKG_CFLAGS) -pthread
ALL_LIBS = -Wl,--as-needed $(PKG_LIBS) -pthread -lm

Q = $(if $(V),,@)
say = @$(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),:,printf '  %-4s %s\n' $(1) $@)
objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

PROCESSES = planner watcher mover verifier
PROGRAMS = $(BUILD)/bin/syncline $(PROCESSES:%=$(BUILD)/bin/syncline-%)
LIB = $(BUILD)/libsyncline.a
# each process without its main.c, for tests
PROCESS_LIBS = $(PROCESSES:%=$(BUILD)/lib%.a) $(BUILD)/libctl.a

.DEFAULT_GOAL := all
.PHONY: all deps deps-check demo unit test check check-deep docs golden format man install uninstall clean help
.SECONDARY:
.DELETE_ON_ERROR:

all: $(PROGRAMS) ## build the programs into build/bin

# ---- programs ----

$(LIB): $(call objects,$(wildcard shared/*/*.c shared/asset/*/*.c))
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/obj/%.o: %.c Makefile VERSION
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# the SQL migrations travel inside the programs
$(BUILD)/obj/shared/store/migrations.o: $(wildcard schema/sql/*.sql)
$(BUILD)/obj/ctl/completion.o: ctl/completion.bash

# program NAME, archive of its parts, its folders
define program
$(BUILD)/lib$(2).a: $(call objects,$(filter-out %/main.c,$(wildcard $(3:%=%/*.c))))
	@mkdir -p $$(@D)
	$(Q)rm -f $$@ && ar rcs $$@ $$^
$(BUILD)/bin/$(1): $(call objects,$(firstword $(3))/main.c) $(BUILD)/lib$(2).a $(LIB)
	@mkdir -p $$(@D)
	$$(call say,LD)
	$$(Q)$$(CC) $$(ALL_CFLAGS) $$^ -o $$@ $$(ALL_LIBS)
endef
$(foreach p,$(PROCESSES),$(eval $(call program,syncline-$(p),$(p),$(p))))
$(eval $(call program,syncline,ctl,ctl stack))

# ---- the programs as they must not be: paths are followed wherever they lead, and nothing confines ----
# For the test that must be able to fail (tests/trees/confinement.bats). Linked from the same archives, of which
# these objects take the place of their namesakes.

WEAK = $(patsubst %,$(BUILD)/weak/obj/%.o,shared/asset/dir/walk shared/svc/confine)
WEAK_PROGRAMS = $(PROGRAMS:$(BUILD)/%=$(BUILD)/weak/%)

$(BUILD)/weak/obj/%.o: %.c Makefile VERSION
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) -DSYNCLINE_WEAK_WALK -MMD -MP -c $< -o $@

define weak_program
$(BUILD)/weak/bin/$(1): $(call objects,$(3)/main.c) $(WEAK) $(BUILD)/lib$(2).a $(LIB)
	@mkdir -p $$(@D)
	$$(call say,LD)
	$$(Q)$$(CC) $$(ALL_CFLAGS) $$^ -o $$@ $$(ALL_LIBS)
endef
$(foreach p,$(PROCESSES),$(eval $(call weak_program,syncline-$(p),$(p),$(p))))
$(eval $(call weak_program,syncline,ctl,ctl))

weak: $(WEAK_PROGRAMS) ## build programs that follow links out of the tree, for the test of that
.PHONY: weak

# ---- tests: one .c file with a main is one suite ----

suites = $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard $(1:%=tests/%/*.c)))
TESTS_UNIT = $(call suites,unit contract)
TESTS_C = $(TESTS_UNIT) $(call suites,fuzz golden)
TESTS_INTEGRATION = $(call suites,integration)
TESTS_FAULT = $(call suites,fault)
# .c files of these folders are parts of tests
HARNESS_LIB = $(BUILD)/libharness.a

$(HARNESS_LIB): $(call objects,$(wildcard tests/harness/*.c))
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/obj/tests/%.o: INCLUDES += -Itests

$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(HARNESS_LIB) $(PROCESS_LIBS) $(LIB)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_CFLAGS) $< -Wl,--start-group $(HARNESS_LIB) $(PROCESS_LIBS) $(LIB) -Wl,--end-group \
	  -o $@ $(ALL_LIBS) -lcmocka

# what makes, edits and compares trees for tests, and shares nothing with the product
TREE_TOOL = $(BUILD)/tests/tree-tool

$(TREE_TOOL): $(call objects,$(wildcard tests/trees/tool/*.c))
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_CFLAGS) $^ -o $@

build-tests: all weak $(TESTS_C) $(TESTS_INTEGRATION) $(TESTS_FAULT) $(TREE_TOOL)
build-sanitized: $(TESTS_UNIT) $(call suites,fuzz)
.PHONY: build-tests build-sanitized

ASAN = BUILD=$(BUILD)/asan SANITIZE=address,undefined CFLAGS='-O1 -g'
TSAN = BUILD=$(BUILD)/tsan SANITIZE=thread CFLAGS='-O1 -g'

unit: $(TESTS_UNIT) ## build and run the unit and contract suites only
	@tools/run-tests --build $(BUILD) unit contract

test: ## install what is needed, build, run every test; ends with "N passed, N failed"
	@tools/deps build run test
	@$(MAKE) --no-print-directory build-tests
	@$(MAKE) --no-print-directory $(ASAN) build-sanitized
	@tools/run-tests --build $(BUILD) unit contract fuzz golden sanitized integration fault end-to-end trees steering

check-deep: ## every suite of C under each sanitizer (address, undefined, thread)
	@tools/deps build run test
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory $(ASAN) build-tests
	@$(MAKE) --no-print-directory $(TSAN) build-tests
	@tools/run-tests --build $(BUILD)/asan unit contract fuzz integration
	@tools/run-tests --build $(BUILD)/tsan unit contract fuzz integration

model: ## check the model of the protocol with SPIN (needs spin), and that its mutants fail
	@model/run
.PHONY: model

golden: all ## write the golden files of tests/golden anew
	@SYNCLINE_BIN=$(abspath $(BUILD)/bin) tests/golden/update

# ---- what keeps the tree honest ----

check: ## everything builds; layers, sizes, layout, lint, generated documents: what CI runs before the tests
	@tools/deps build run test check
	@$(MAKE) --no-print-directory build-tests $(BUILD)/tools/docs-generate \
	  $(BUILD)/tools/schema-generate
	@tools/check --build $(BUILD)

$(BUILD)/tools/docs-generate: tools/docs-generate.c $(wildcard schema/*.def) schema/limits.h Makefile
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_CFLAGS) $< -o $@

$(BUILD)/tools/schema-generate: $(BUILD)/obj/tools/schema-generate.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_CFLAGS) $^ -o $@ $(ALL_LIBS)

docs: $(BUILD)/tools/docs-generate $(BUILD)/tools/schema-generate ## write what is made from schema/ anew
	$(BUILD)/tools/docs-generate >docs/protocol.md
	$(BUILD)/tools/schema-generate docs >docs/definitions.md
	$(BUILD)/tools/schema-generate schema >schema/definitions.schema.json

format: ## lay out every C file by .clang-format
	git ls-files '*.c' '*.h' | xargs clang-format -i

format-check: ## say which C files `make format` would change
	git ls-files '*.c' '*.h' | xargs clang-format --dry-run --Werror
.PHONY: format-check

# ---- set-up, and what people do first ----

deps: ## install the packages that building, running and testing need (Debian, Ubuntu)
	@tools/deps build run test

deps-check: ## install the packages that `make check` needs too
	@tools/deps build run test check

demo: ## set up, build, and see a real tree arrive, proven
	@tools/deps build run
	@echo 'building …'
	@$(MAKE) --no-print-directory --silent all
	@tools/demo $(BUILD)/bin

MANUALS = $(patsubst docs/man/%.scd,$(BUILD)/man/%,$(wildcard docs/man/*.scd))
man: $(MANUALS) ## build the manual pages into build/man
$(BUILD)/man/%: docs/man/%.scd tools/man $(PROGRAMS) $(BUILD)/tools/docs-generate
	@mkdir -p $(@D)
	$(Q)tools/man --build $(BUILD) $< | scdoc >$@

install: all man ## install programs, manual pages and completion below PREFIX (/usr/local); DESTDIR for packages
	install -d $(DESTDIR)$(PREFIX)/bin $(addprefix $(DESTDIR)$(PREFIX)/share/,$(INSTALLED_SHARE))
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	for page in $(MANUALS); do install -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.} || exit 1; done
	install -m 644 ctl/completion.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/syncline

uninstall: ## remove what `make install` put there
	rm -f $(PROGRAMS:$(BUILD)/bin/%=$(DESTDIR)$(PREFIX)/bin/%)
	for page in $(MANUALS); do rm -f $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}; done
	rm -f $(DESTDIR)$(PREFIX)/share/bash-completion/completions/syncline

INSTALLED_SHARE = man/man1 man/man5 man/man8 bash-completion/completions

-include bench/bench.mk

clean: ## remove what was built
	rm -rf build

help: ## show this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

-include $(shell find $(BUILD)/obj $(BUILD)/weak/obj -name '*.d' 2>/dev/null)
