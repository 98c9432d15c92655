/* protocol.pml: tokens, grants, takeover, settle and power cut, for SPIN. README.md says what is
 * left out, and `run` checks this and each mutant (one macro each) that must be found wrong:
 *
 *   ASSIGN_BEFORE_GRANT   a token is assigned before its directory is there; its user makes it
 *   RESCAN_BEFORE_REVOKE  after a takeover the shard is scanned, and goes on, before the revocation
 *   COMMIT_BEFORE_SETTLE  a segment is committed before it is settled
 *   COMPARE_AFTER_CRASH   what may be unsettled is compared, not put again
 *   UNCONFIRMED_GRANT     a token is used though the job may be another's since before it was granted
 *   FORGET_LOST_PUBLISH   a publish whose mover was lost no longer holds back unsettled_since
 *
 * WITNESS must be found "wrong" too: it says that a job can succeed after all that may happen. */

#ifndef ATTEMPTS
#define ATTEMPTS 1 /* tokens of an epoch */
#endif
#define TOKENS (2 * ATTEMPTS)
#define MOVERS 2
#define GARBAGE 3 /* content that a power cut left */

#define GRANT 1
#define STAGE 2
#define COPY 3
#define PUBLISH 4
#define RENAME 5
#define REVOKE 6
#define REVOKE_OLD 7 /* all of the earlier epoch */
#define SETTLE 8

/* The source: its content is its version. */
byte source = 1;

/* The destination: one object. `looks` is what name, size and time say; `content` what a reader gets;
 * `disk` what he would get after a power cut. `clock` only goes on when something is renamed. */
byte looks = 0, content = 0, disk = 0, changed = 0;
byte clock = 1;
bit boot = 0;

/* Directories of tokens, and the staged copy in each. */
bool granted[TOKENS], staged_synced[TOKENS];
byte staged[TOKENS], staged_content[TOKENS];

/* What must not publish any more. */
bool revoked[TOKENS];

/* Truth: survives everything. 0 is NULL. */
byte epoch = 1, unsettled_since = 0, ledger = 0;
bool done = false;

/* Of planner e: the clock before its oldest publish that is not committed. */
byte floor_of[3];
byte again_of[3]; /* not older than this: put again */

/* One task per mover, and its last answer. `by` is the planner that still waits for it, else 0. */
typedef task_of { byte kind, token, by; }
typedef answer_of { byte by; bool ok; bit boot; }
task_of task[MOVERS];
answer_of answer[MOVERS];

#ifdef WITNESS
bool lost_publish = false;
#endif

/* ---- movers: may stop before any step, for a while or for ever; how they die is in `lapse` ---- */

#define T task[m].token

inline rename_into_place()
{
    assert(!revoked[T]);         /* a revoked token publishes nothing */
    assert(staged[T] >= looks);  /* never back to an older version */
    looks = staged[T];
    content = staged_content[T];
    if
    :: staged_synced[T] -> disk = content
    :: else -> disk = GARBAGE
    fi;
    assert(ledger == 0 || disk != GARBAGE); /* what is committed is not put at risk */
    changed = clock;
    clock++;
    staged[T] = 0; staged_content[T] = 0; staged_synced[T] = false
}

/* The task is over, and answered if somebody still waits. */
inline end_task(how)
{
    if
    :: task[m].by != 0 -> answer[m].by = task[m].by; answer[m].ok = how; answer[m].boot = boot
    :: else
    fi;
    task[m].kind = 0;
    task[m].token = 0;
    task[m].by = 0
}

inline revoke_old()
{
    i = 0;
    do
    :: i < ATTEMPTS -> granted[i] = false; staged[i] = 0; staged_content[i] = 0; staged_synced[i] = false; i++
    :: else -> i = 0; break
    od
}

proctype mover(byte m)
{
    byte i;

end:
    do
    :: atomic { task[m].kind == GRANT -> granted[T] = true; end_task(true) }
    :: atomic { task[m].kind == STAGE ->
#ifdef ASSIGN_BEFORE_GRANT
            granted[T] = true;
#endif
            task[m].kind = COPY }
    :: atomic { task[m].kind == COPY ->
            if
            :: granted[T] -> staged[T] = source; staged_content[T] = source; end_task(true)
            :: else -> end_task(false)
            fi }
    :: atomic { task[m].kind == PUBLISH ->
            if /* a good copy must not be lost */
            :: granted[T] && looks != 0 -> staged_synced[T] = true
            :: else
            fi;
            task[m].kind = RENAME }
    :: atomic { task[m].kind == RENAME ->
            if
            :: granted[T] && staged[T] != 0 -> rename_into_place(); end_task(true)
            :: else -> end_task(false)
            fi }
    :: atomic { task[m].kind == REVOKE ->
            granted[T] = false; staged[T] = 0; staged_content[T] = 0; staged_synced[T] = false;
            end_task(true) }
    :: atomic { task[m].kind == REVOKE_OLD -> revoke_old(); end_task(true) }
    :: atomic { task[m].kind == SETTLE -> disk = content; end_task(true) }
    od
}

/* ---- planners ---- */

/* A mover that has nothing to do gets the task; they are alike, so that it may be the first. */
inline ask(what, which)
{
    if
    :: task[0].kind == 0 -> m = 0
    :: task[0].kind != 0 && task[1].kind == 0 -> m = 1
    fi;
    task[m].kind = what;
    task[m].token = which;
    task[m].by = e;
    answer[m].by = 0; answer[m].ok = false; answer[m].boot = 0
}

#define ANSWERED (answer[m].by == e)

/* Its answer is of the past from now on, whether it came or not. Its mover goes on later, or died. */
inline lapse()
{
    if
    :: task[m].by == e -> task[m].by = 0
    :: task[m].by == e -> task[m].by = 0; task[m].kind = 0; task[m].token = 0
    :: else
    fi;
    take()
}

inline take()
{
    if
    :: answer[m].by == e -> answer[m].by = 0; answer[m].ok = false; answer[m].boot = 0
    :: else
    fi;
    m = 0
}

/* Until somebody has done it; who does not answer is asked no more. */
inline revoke(what, which)
{
    do
    :: atomic { ask(what, which) };
        if
        :: atomic { ANSWERED ->
                take();
                if
                :: what == REVOKE -> revoked[which] = true
                :: else -> i = 0;
                    do
                    :: i < ATTEMPTS -> revoked[i] = true; i++
                    :: else -> i = 0; break
                    od
                fi };
            break
        :: atomic { lapse() }
        fi
    od
}

proctype planner(byte e)
{
    byte m, t, last, i, wanted, version;
    bit stage_boot, publish_boot;
    bool broken = false;

    t = (e - 1) * ATTEMPTS;
    last = e * ATTEMPTS;
    if
    :: e == 2 ->
        atomic { epoch = 2; again_of[e] = unsettled_since }
#ifndef RESCAN_BEFORE_REVOKE
        revoke(REVOKE_OLD, 0)
#endif
    :: else
    fi;
    if
    :: done -> goto over
    :: else
    fi;

scan:
    atomic {
        wanted = source;
        version = 0;
        if
#ifdef COMPARE_AFTER_CRASH
        :: looks == source -> goto commit
#else
        :: looks == source && !(again_of[e] > 0 && changed >= again_of[e]) -> goto commit
#endif
        :: else
        fi
    }
    /* opening: committed before anything is published */
    atomic {
        if
        :: epoch != e -> goto over
        :: epoch == e && unsettled_since == 0 -> unsettled_since = clock
        :: else
        fi
    }

batch:
    atomic {
        if
        :: t == last -> goto over /* given up: such a job does not succeed */
        :: else
        fi;
#ifdef ASSIGN_BEFORE_GRANT
        if
        :: epoch != e -> goto over
        :: else
        fi
    };
#else
        ask(GRANT, t)
    };
    if
    :: atomic { ANSWERED -> take();
#ifndef UNCONFIRMED_GRANT
            if
            :: epoch != e -> goto over
            :: else
            fi
#endif
        }
    :: atomic { lapse(); t++; goto batch } /* not acknowledged: never assigned */
    fi;
#endif
    atomic { ask(STAGE, t) };
    if
    :: atomic { ANSWERED && answer[m].ok -> stage_boot = answer[m].boot; take() }
    :: atomic { lapse(); goto redo }
    fi;
    /* the proof: another reads the copy */
    atomic {
        if
        :: granted[t] && staged[t] != 0 && staged[t] == staged_content[t] -> version = staged[t]
        :: else -> goto redo
        fi
    };
    atomic {
        if
        :: floor_of[e] == 0 -> floor_of[e] = clock
        :: else
        fi;
        ask(PUBLISH, t)
    };
    if
    :: atomic { ANSWERED && answer[m].ok -> publish_boot = answer[m].boot; take() }
    :: atomic { lapse();
#ifdef WITNESS
            lost_publish = true;
#endif
#ifdef FORGET_LOST_PUBLISH
            floor_of[e] = 0;
#endif
            goto redo }
    fi;
#ifndef COMMIT_BEFORE_SETTLE
    do
    :: atomic { ask(SETTLE, 0) };
        if
        :: atomic { ANSWERED && answer[m].boot == stage_boot && answer[m].boot == publish_boot -> take() };
            break
        :: atomic { ANSWERED && (answer[m].boot != stage_boot || answer[m].boot != publish_boot) ->
                /* nobody is left who would have heard of an error: scanned again */
                take(); again_of[e] = unsettled_since; t++; goto scan }
        :: atomic { lapse() }
        fi
    od;
#endif

commit:
    atomic {
        if
        :: epoch != e -> goto over
        :: else
        fi;
        if
        :: version != 0 -> ledger = version
        :: else
        fi;
        done = true;
        unsettled_since = 0;
        floor_of[e] = 0
    }
#ifdef RESCAN_BEFORE_REVOKE
    if
    :: e == 2 -> revoke(REVOKE_OLD, 0)
    :: else
    fi;
#endif
    /* the end: everything is settled once more, then the job has succeeded */
    do
    :: atomic { ask(SETTLE, 0) };
        if
        :: atomic { ANSWERED -> take() }; break
        :: atomic { lapse() }
        fi
    od;
    atomic {
        if
        :: epoch != e -> goto over
        :: else
        fi;
        /* the destination is the source, but for what changed there since */
        assert(content == looks && disk == content && looks >= wanted && looks <= source);
#ifdef WITNESS
        assert(!(e == 2 && boot == 1 && source == 2 && ledger == 2 && lost_publish));
#endif
        goto over
    };

redo: /* only when the old token can publish nothing is anything staged again */
    revoke(REVOKE, t);
    atomic {
        t++;
        version = 0; stage_boot = 0; publish_boot = 0;
        if
        :: goto batch
        :: !broken -> broken = true; /* its watcher was lost too: another scan finds what is left */
            if
            :: floor_of[e] != 0 && again_of[e] == 0 -> again_of[e] = unsettled_since
            :: else
            fi;
            goto scan
        fi
    };

over:
    atomic {
        m = 0; t = 0; last = 0; wanted = 0; version = 0; stage_boot = 0; publish_boot = 0; broken = 0
    }
}

/* ---- what happens beside ---- */

/* Another segment of the shard is committed: settled first, with the work of others still going on. */
proctype segment()
{
    byte whose;

    atomic { unsettled_since != 0 -> whose = epoch; disk = content }
    atomic {
        if
        :: epoch == whose && !done && unsettled_since != 0 ->
            if
            :: again_of[whose] != 0 -> unsettled_since = again_of[whose]
            :: again_of[whose] == 0 && floor_of[whose] != 0 -> unsettled_since = floor_of[whose]
            :: else -> unsettled_since = clock
            fi
        :: else
        fi;
        whose = 0
    }
}

proctype change()
{
    source = 2
}

/* Names, sizes and times stay; content that is not settled goes, and so do the movers of that host. */
proctype power_cut()
{
    byte i;

    atomic {
        boot = 1;
        content = disk;
        i = 0;
        do
        :: i < TOKENS ->
            if
            :: staged[i] != 0 && !staged_synced[i] -> staged_content[i] = GARBAGE
            :: else
            fi;
            i++
        :: else -> i = 0; break
        od;
        i = 0;
        do
        :: i < MOVERS -> task[i].kind = 0; task[i].token = 0; task[i].by = 0; i++
        :: else -> i = 0; break
        od;
        assert(ledger == 0 || (content != GARBAGE && content >= ledger)) /* what is committed is durable */
    }
}

init
{
    atomic {
        run mover(0);
        run mover(1);
        run planner(1);
        run planner(2); /* takes over when it first runs: the first may not know of it */
        run change();
        run segment();
        run power_cut()
    }
}
