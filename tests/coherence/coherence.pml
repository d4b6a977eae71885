/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The coherence protocol of bmc/README.md, with memcached-sr as the origin:
 * clocks, grants, generation, fills and hits. Two keys share one clock and one
 * grant, as in the worst case.
 *
 * A reader's result must be a value that its key had at some instant between
 * the start and the end of the read: the history is then linearizable as one
 * register per key, because the origin's own change is one instant.
 *
 * Replies are a set that only grows: any fill may take any reply ever sent, so
 * they are delayed, duplicated and reordered at will, and ids do not matter.
 *
 * -DFLUSH, -DEXPIRY and -DRESTART add an event each. The -DBREAK_* each remove
 * one safeguard; the model must then be refuted.
 */

#define KEYS   2
#define ABSENT 0 /* values: 0 is absent, writer i stores value i + 1 */
#define BIT(v) (1 << (v))

#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef READERS
#define READERS 2
#endif
#ifndef READS
#define READS 2
#endif
#ifndef FILLS
#define FILLS 2
#endif

byte stored[KEYS];  /* what the origin's table holds */
byte flushed;       /* values that a flush_all has made invisible */
bool late;          /* the deadline of value 1 has passed */
bool denies;        /* the origin's own, coarser clock has seen that */
bool locked[KEYS];  /* item locks */
byte clock_;        /* of both keys */
byte generation;
byte epoch;         /* of the origin's process: others are dead */

typedef Grant { bool valid; byte key; byte value; byte version; byte generation };
typedef Entry { bool valid; byte value; byte version; byte generation };
Grant grant;
Entry entry[KEYS];
byte sent[KEYS]; /* set of values that replies have carried */

byte window[READERS]; /* set of values that the key read had since the start */
byte reading[READERS]; /* the key + 1, or 0 */

#define IS_FLUSHED(v) ((flushed & BIT(v)) != 0)
#define IS_DENIED(v)  (denies && (v) == 1)
#define VISIBLE(k) \
    ((IS_FLUSHED(stored[k]) || IS_DENIED(stored[k])) -> ABSENT : stored[k])

/* To be run in the same atomic step as whatever changes VISIBLE(). */
hidden byte r_;
inline note_change()
{
    r_ = 0;
    do
    :: r_ < READERS ->
        if
        :: reading[r_] -> window[r_] = window[r_] | BIT(VISIBLE(reading[r_] - 1))
        :: else
        fi;
        r_++
    :: else -> break
    od;
    r_ = 0
}

#define ALIVE(e) (epoch == (e))

/* A writer of key k; killed where the epoch moves on. */
proctype Writer(byte k; byte value)
{
    byte e = epoch;

    atomic { (!locked[k] || !ALIVE(e)) -> if :: ALIVE(e) -> locked[k] = true :: else -> goto dead fi }
#ifndef BREAK_TICK_AFTER
    atomic { if :: ALIVE(e) -> clock_++ :: else -> goto dead fi }
#endif
    atomic { if :: ALIVE(e) -> stored[k] = value; note_change() :: else -> goto dead fi }
    atomic { if :: ALIVE(e) -> locked[k] = false :: else -> goto dead fi }
#ifdef BREAK_TICK_AFTER
    atomic { if :: ALIVE(e) -> clock_++ :: else -> goto dead fi }
#endif
dead:
    skip
}

/* The conditions of a hit; each can be taken away. */
#ifdef BREAK_HIT_CLOCK
#define CLOCK_OK(c) true
#else
#define CLOCK_OK(c) (c.version == version)
#endif
#ifdef BREAK_HIT_GENERATION
#define GENERATION_OK(c) true
#else
#define GENERATION_OK(c) (c.generation == before)
#endif
#ifdef BREAK_HIT_DEADLINE
#define DEADLINE_OK(c) true
#else
#define DEADLINE_OK(c) (!(late && c.value == 1))
#endif

/* Reads a key READS times: a hit if the rules allow it, else from the origin. */
proctype Reader(byte me)
{
    byte k, n, result, e;
    byte before, version;
    Entry copy;
    bool done;

    do
    :: n == READS -> break
    :: n < READS ->
        n++;
        done = false;
        e = epoch;
        atomic {
            if :: k = 0 :: k = 1 fi;
            reading[me] = k + 1;
            window[me] = BIT(VISIBLE(k))
        }
        /* hash_keys: generation, copy, clock, in this order */
        before = generation;
        if
        :: before % 2 == 0 ->
            atomic {
                copy.valid = entry[k].valid;
                copy.value = entry[k].value;
                copy.version = entry[k].version;
                copy.generation = entry[k].generation
            }
            version = clock_;
            if
            :: copy.valid && CLOCK_OK(copy) && GENERATION_OK(copy) && DEADLINE_OK(copy)
               -> result = copy.value; done = true
            :: else ->
                atomic {
                    if
                    :: grant.valid && grant.key == k && grant.value == ABSENT &&
                       grant.version == version && grant.generation == before ->
                        result = ABSENT; done = true
                    :: else
                    fi
                }
            fi
        :: else
        fi;

        if
        :: done
        :: else ->
            /* the origin: everything under the item lock */
            atomic {
                (!locked[k] || !ALIVE(e)) ->
                if :: ALIVE(e) -> locked[k] = true :: else -> goto lost fi
            }
            before = generation;
#ifndef BREAK_GRANT_UNLOCKED
            version = clock_;
#endif
            atomic { if :: ALIVE(e) -> result = VISIBLE(k) :: else -> goto lost fi }
#ifdef BREAK_GRANT_UNLOCKED
            atomic { if :: ALIVE(e) -> locked[k] = false :: else -> goto lost fi }
            version = clock_;
#endif
            if
            :: before % 2 == 0 && generation == before
               ->
                atomic {
                    if
                    :: ALIVE(e) ->
                        grant.valid = true;
                        grant.key = k;
                        grant.value = result;
                        grant.version = version;
                        grant.generation = before
                    :: else -> goto lost
                    fi
                }
            :: else
            fi;
            atomic {
                if
                :: ALIVE(e) ->
#ifndef BREAK_GRANT_UNLOCKED
                    locked[k] = false;
#endif
                    sent[k] = sent[k] | BIT(result)
                :: else -> goto lost
                fi
            }
        fi;
        assert(window[me] & BIT(result));
lost:
        atomic { reading[me] = 0; window[me] = 0; result = 0; before = 0; version = 0;
                 copy.valid = false; copy.value = 0; copy.version = 0; copy.generation = 0 }
    od
}

/* update_cache: takes any reply ever sent. */
proctype Filler()
{
    byte k, v, n;
    Grant g;

    do
    :: n == FILLS -> break
    :: n < FILLS ->
        n++;
        atomic {
            if
            :: k = 0; v = 1
            :: k = 0; v = 2
            :: k = 1; v = 1
            :: k = 1; v = 2
            fi;
            (sent[k] & BIT(v)) -> skip
        }
#ifdef BREAK_FILL_GRANT
        /* believes the packet, and stamps it with what the clocks show now */
        atomic { g.valid = true; g.version = clock_; g.generation = generation }
#else
        atomic {
            g.valid = grant.valid && grant.key == k && grant.value == v;
            g.version = grant.version;
            g.generation = grant.generation
        }
#endif
        if
        :: g.valid ->
            atomic {
                entry[k].valid = true;
                entry[k].value = v;
                entry[k].version = g.version;
                entry[k].generation = g.generation
            }
        :: else
        fi;
        atomic { k = 0; v = 0; g.valid = false; g.version = 0; g.generation = 0 }
    od
}

#ifdef FLUSH
/* flush_all: no item lock, so the generation goes odd before and even after. */
proctype Flusher()
{
    byte e = epoch;

#ifndef BREAK_FLUSH_ONE_STEP
    atomic { if :: ALIVE(e) -> generation++ :: else -> goto dead fi }
#endif
    atomic {
        if
        :: ALIVE(e) ->
            flushed = flushed | BIT(stored[0]) | BIT(stored[1]);
            note_change()
        :: else -> goto dead
        fi
    }
#ifndef BREAK_FLUSH_ONE_STEP
    atomic { if :: ALIVE(e) -> generation++ :: else -> goto dead fi }
#else
    atomic { if :: ALIVE(e) -> generation = generation + 2 :: else -> goto dead fi }
#endif
dead:
    skip
}
#endif

#ifdef EXPIRY
/* The deadline passes; the origin, whose clock is coarser, denies the item later. */
proctype Time()
{
    late = true;
    atomic { denies = true; note_change() }
}
#endif

#ifdef RESTART
/* The origin is killed at any instruction; the next one starts empty. */
proctype Restart()
{
    atomic { epoch++; locked[0] = false; locked[1] = false }
#ifndef BREAK_START_GENERATION
    atomic { if :: generation % 2 == 0 -> generation++ :: else fi }
#endif
    atomic { stored[0] = ABSENT; stored[1] = ABSENT; note_change() }
#ifndef BREAK_START_GENERATION
    generation++
#else
    atomic { if :: generation % 2 == 1 -> generation++ :: else fi }
#endif
}
#endif

init
{
    atomic {
        run Writer(0, 1);
#if WRITERS > 1
        if :: run Writer(0, 2) :: run Writer(1, 2) fi;
#endif
        run Reader(0);
#if READERS > 1
        run Reader(1);
#endif
        run Filler();
#ifdef FLUSH
        run Flusher();
#endif
#ifdef EXPIRY
        run Time();
#endif
#ifdef RESTART
        run Restart();
#endif
    }
}
