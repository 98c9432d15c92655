# bench.mk: included by the Makefile. What is timed here is judged by people, never by a test.

$(BUILD)/bench/floor: bench/floor.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE $(WARN) $(CFLAGS) -pthread $< -o $@ -lxxhash

$(BUILD)/bench/trees: bench/trees.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE $(WARN) $(CFLAGS) $< -o $@ -lm

bench: all $(BUILD)/bench/floor $(BUILD)/bench/trees ## side by side with rsync and the bare floor (ROUNDS=3 SCALE=0.1)
	BUILD=$(BUILD) bench/run
