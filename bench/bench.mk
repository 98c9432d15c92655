# bench.mk: included by the Makefile. What is timed here is judged by people, never by a test.

.PHONY: bench

$(BUILD)/bench/floor: bench/floor.c
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE $(WARN) $(CFLAGS) -pthread $< -o $@ -lxxhash

$(BUILD)/bench/trees: bench/trees.c
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE $(WARN) $(CFLAGS) $< -o $@ -lm

bench: all $(BUILD)/bench/floor $(BUILD)/bench/trees ## side by side with rsync and the bare floor (ROUNDS=3 SCALE=0.1)
	@tools/deps run test
	@BUILD=$(BUILD) bench/run
