/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The coherence protocol of bmc/README.md with memcached-sr as the origin, for
 * spin: clocks, generation, grants, fills, hits, life of the origin. check_model
 * runs it. All keys share one clock, as in the worst case.
 *
 * Claim: what the kernel answers for a key is a value that the key had at some
 * instant between start and end of the get. A change at the origin is one
 * instant, and a lookup there one too, so that the history is then linearizable
 * as one register per key. Nobody can tell what keys hold while nobody has the
 * port: they count as unchanged meanwhile.
 *
 * WRITERS, READERS and KEYS bound who is at work at once; a writer that leaves its
 * value with the grant counts as a reader from its change on. They do not bound how
 * often: every process goes on for ever. Only moves of the generation are counted, up
 * to LAST_GENERATION.
 *
 * -DFLUSH    flush_all. What it does to which item is left open: any store to
 *            oldest_live or current_time that matters may take any items out of
 *            sight and bring any back. That covers a flush at once, a delayed one
 *            that comes into force, and a later one that brings items back.
 * -DEXPIRY   items with value 1 have an exptime. It passes; the origin, whose
 *            clock is coarser, denies them later.
 * -DRESTART  the origin ends in order or is killed between any two steps; its
 *            socket goes; a plain memcached (no clocks, no grants) may take the
 *            port, with any contents, which change in any way; it ends; the
 *            origin starts again, with any contents (a memory file), or dies
 *            starting.
 * -DBMC_FLUSH  `bmc flush` adds 2 to the generation, at any time, whether the origin
 *            lives or not.
 * -DBREAK_*  takes one safeguard away: the model must then be refuted.
 *
 * How it is kept small without leaving out anything that can happen:
 *
 * - Versions. They are only asked whether they equal what the clock shows, later.
 *   As the clock only grows, one that it has ceased to show never does again. So
 *   no numbers are kept: `current` says whether the clock still shows a version.
 * - Entries, grants and fills. cache[k] holds every pair of generation and value
 *   that was ever granted for k at the version that the clock shows. A reader may
 *   find any of them in the entry and in the grant, or nothing. So replies may be
 *   delayed, repeated, reordered, forged, with ids used again, filled by any
 *   number of CPUs at any time, grants overwritten, entries evicted. (Only with
 *   BREAK_FILL_GRANT does it matter which replies were sent.) Pairs that nobody
 *   can match any more are forgotten.
 * - Steps that are joined.
 *   Locks: taking one can be put off until the step behind it, and giving one back
 *   moved up to the step before it; others are only held up less (R. J. Lipton,
 *   "Reduction", 1975).
 *   Start and end of a get: it starts when it finds the socket and ends when it has
 *   read the clock. Shorter than in truth, so the claim is stronger.
 *   Deadline: hash_keys reads the time behind the clock. If the deadline lies
 *   ahead then, it did when the clock was read.
 *   Grant: it is published when the clock is read for it, in truth later. So it
 *   is found here whenever it can be. If the clock has moved on meanwhile, no
 *   entry made from it can match.
 *   Granted absence, and values that stores have left: the grant is read behind the
 *   clock. One that shows the version read was made while the clock showed that, so it
 *   is found at the last instant at which the clock did, or at its reading if it still
 *   does; both reads can be moved there. What is made of a value that was left, an
 *   entry or a reply at once, makes no difference to what can be answered.
 * - Whether a grant has the value with it is left open: a reader may have it from any.
 *   (With BREAK_TEXT_CONTENT it matters what was left.)
 * - The origin looks at the generation and adds 1 to it in one step, in truth in two.
 *   Only a `bmc flush` can come in between, which leaves odd odd and even even: it may
 *   as well come before.
 * - The origin's second look at the generation, before it publishes, is left
 *   out: it saves grants that would never match and nothing depends on it.
 * - bmc's ticks for writes that it sees on the wire come at any time (Snoop).
 *
 * Not modelled: memory order (every step is seen by all at once, in order); torn
 * copies of entries and grants (bucket sequence, check word); equal hashes of
 * different keys or contents; overflow of counters; gets of several keys, which
 * are as many gets that share one reading of socket and generation; visited bits,
 * which decide what is evicted and nothing else; TCP ports, network namespaces and
 * copies of sockets that other processes hold. Eviction by memcached is a deletion,
 * like any other. Expiry is not combined with flushes and ends of the origin.
 */

#define KEYS   2
#define VALUES 3
#define ABSENT 0
#define BIT(n) (1 << (n))

#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef READERS
#define READERS 2
#endif
#ifndef LAST_GENERATION
#define LAST_GENERATION 4 /* even; at most 8, for the bits of cache[] */
#endif

/* ---- State of the origin, of whoever has its port, and of the shared memory */

byte stored[KEYS]; /* what the table holds */
bool locked[KEYS]; /* item locks */
byte generation;

#ifdef FLUSH
bool flushed[KEYS]; /* the item is there, but not to be seen */
mtype = { NO_FLUSH, FLUSH_BEGUN, FLUSH_STORED };
mtype flush = NO_FLUSH;
#define IS_FLUSHED(k) flushed[k]
#define UNFLUSH(k)    flushed[k] = false
#define FLUSHING      (flush != NO_FLUSH)
#else
#define IS_FLUSHED(k) false
#define UNFLUSH(k)    skip
#define FLUSHING      false
#endif

#ifdef EXPIRY
bool late;   /* the deadline of value 1 has passed */
bool denied; /* the origin has seen that its exptime has */
#define IS_DENIED(v) (denied && (v) == 1)
#else
#define IS_DENIED(v) false
#endif

/* The register that readers see. */
#define VISIBLE(k) ((IS_FLUSHED(k) || IS_DENIED(stored[k])) -> ABSENT : stored[k])

#ifdef RESTART
mtype = { NOBODY, ORIGIN, PLAIN };
mtype bound = ORIGIN; /* who has the port */
bool socket = true;   /* the origin's socket is in the map `sockets` */
mtype = { DEAD, OPENED, BOUND, SERVING, CLOSED };
mtype life = SERVING; /* of the origin's process, also while it has no port yet */
#define AT_PORT    (bound == ORIGIN)
#define IS_SERVING (life == SERVING)
#else
#define AT_PORT    true
#define IS_SERVING true
#endif

/* Sets of pairs of generation and value. */
int cache[KEYS];
#define PAIR(g, v)  BIT((g) * VALUES + (v))
#define PAIRS_OF(g) (7 << ((g) * VALUES))
#define GENERATIONS_OF(v) (19173961 << (v)) /* bits 0, 3, 6, ... 24: v in any generation */

byte writing[WRITERS]; /* the key + 1 whose lock it holds, or 0 */

mtype = { IDLE, STARTED, GENERATION_READ, COPIED, AT_ORIGIN, LOOKED_UP };
mtype = { CHANGED, LEAVING }; /* of a writer that leaves its value; then LOOKED_UP */
mtype phase[READERS] = IDLE;
byte key[READERS];
byte before[READERS];  /* the generation, read before anything else */
byte value[READERS];   /* copied from the entry, or looked up */
bool current[READERS]; /* the clock shows the version of the copy */
byte window[READERS];  /* set of values that the key had since the get began */

#define IN_KERNEL(r) \
    (phase[r] == STARTED || phase[r] == GENERATION_READ || phase[r] == COPIED)

#ifdef BREAK_FILL_GRANT
byte sent[KEYS]; /* set of values that replies have carried */
#endif
#ifdef BREAK_TEXT_CONTENT
byte text[KEYS]; /* set of values that stores have left */
#endif
#ifdef BREAK_LEAVE_EARLY
byte next[WRITERS]; /* the value that is about to be stored */
#endif

hidden byte i_;
hidden int live_[KEYS];

/* ---- What several processes do */

/* To be run in the same step as whatever may change VISIBLE(). */
inline note_change()
{
    d_step {
        for (i_ : 0 .. READERS - 1) {
            if
            :: IN_KERNEL(i_) -> window[i_] = window[i_] | BIT(VISIBLE(key[i_]))
            :: else
            fi
        }
        i_ = 0
    }
}

#ifdef BREAK_ODD
#define IN_FORCE(g) true
#else
#define IN_FORCE(g) ((g) % 2 == 0)
#endif

/*
 * Forgets pairs that nobody can match: those of a generation that is neither now
 * nor held by a reader of the key. To be run when either changes.
 */
inline forget()
{
#ifndef BREAK_HIT_GENERATION
    d_step {
        live_[0] = (IN_FORCE(generation) -> PAIRS_OF(generation) : 0);
        live_[1] = live_[0];
        for (i_ : 0 .. READERS - 1) {
            if
            :: phase[i_] == GENERATION_READ || phase[i_] == COPIED ->
                live_[key[i_]] = live_[key[i_]] | PAIRS_OF(before[i_])
            :: else
            fi
        }
        cache[0] = cache[0] & live_[0];
        cache[1] = cache[1] & live_[1];
        i_ = 0; live_[0] = 0; live_[1] = 0
    }
#else
    skip
#endif
}

inline tick()
{
    d_step {
        for (i_ : 0 .. READERS - 1) { current[i_] = false }
        i_ = 0;
#ifndef BREAK_HIT_CLOCK
        cache[0] = 0;
        cache[1] = 0
#endif
    }
}

inline choose_key(k) { if :: k = 0 :: k = 1 fi }
inline choose_value(v) { if :: v = ABSENT :: v = 1 :: v = 2 fi }

#define ONE_UNLOCKED (!locked[0] || !locked[1])
inline choose_unlocked(k) { if :: !locked[0] -> k = 0 :: !locked[1] -> k = 1 fi }

/* ---- Writers: set, delete, evict */

inline change(k)
{
    choose_value(stored[k]);
    UNFLUSH(k);
    note_change()
}

#define ONE_IDLE (phase[0] == IDLE || phase[1] == IDLE)
inline choose_idle(r) { if :: phase[0] == IDLE -> r = 0 :: else -> r = 1 fi }
#if READERS != 2
#error "for two readers"
#endif

proctype Writer(byte me)
{
    byte k, r;

    do
    :: atomic { /* takes the lock; ticks */
        AT_PORT && !writing[me] && ONE_UNLOCKED ->
        choose_unlocked(k);
        locked[k] = true;
        writing[me] = k + 1;
#ifndef BREAK_TICK_AFTER
        tick();
#else
        change(k);
#endif
#ifdef BREAK_LEAVE_EARLY
        choose_value(next[me]);
        cache[k] = cache[k] | PAIR(generation, next[me]);
#endif
        k = 0
    }
    :: atomic { /* changes the item; gives the lock back */
        writing[me] ->
#ifdef BREAK_LEAVE_EARLY
        stored[writing[me] - 1] = next[me];
        next[me] = 0;
        note_change();
#else
#ifndef BREAK_TICK_AFTER
        change(writing[me] - 1);
#else
        tick();
#endif
#endif
        locked[writing[me] - 1] = false;
        writing[me] = 0
    }
#if !defined(BREAK_TICK_AFTER) && !defined(BREAK_LEAVE_EARLY)
    :: atomic { /* stores an item; goes on, as a reader, to leave its value */
        writing[me] && ONE_IDLE ->
        k = writing[me] - 1;
        writing[me] = 0;
        change(k);
        if
        :: stored[k] != ABSENT ->
            choose_idle(r);
            key[r] = k;
            phase[r] = CHANGED;
#ifdef BREAK_LEAVE_UNLOCKED
            value[r] = stored[k];
            locked[k] = false;
#endif
        :: else -> locked[k] = false
        fi;
        k = 0; r = 0
    }
#endif
    od
}

proctype Snoop()
{
    do
    :: tick()
    od
}

/* ---- Readers: in the kernel, or at the origin */

inline end_read(r)
{
    d_step {
        phase[r] = IDLE; key[r] = 0; before[r] = 0;
        value[r] = 0; current[r] = false; window[r] = 0
    }
    forget()
}

/* BREAK_HIT_ORDER looks for the socket behind the generation, not before it. */
#if defined(RESTART) && !defined(BREAK_HIT_ALIVE) && !defined(BREAK_HIT_ORDER)
#define SOCKET_FIRST socket
#else
#define SOCKET_FIRST true
#endif
#ifdef BREAK_HIT_ORDER
#define SOCKET_NEXT socket
#else
#define SOCKET_NEXT true
#endif

/* Whether what the reader finds may be v, with everything but the clock right. */
#ifdef BREAK_HIT_GENERATION
#define MAY_FIND(r, v) (cache[key[r]] & GENERATIONS_OF(v))
#else
#define MAY_FIND(r, v) (cache[key[r]] & PAIR(before[r], v))
#endif
#ifdef BREAK_HIT_CLOCK
#define CLOCK_OK(r) true
#else
#define CLOCK_OK(r) current[r]
#endif
#if defined(EXPIRY) && !defined(BREAK_HIT_DEADLINE)
#define IN_TIME(v) (!(late && (v) == 1))
#else
#define IN_TIME(v) true
#endif

/* BREAK_TEXT_CONTENT takes any text for that of the grant. */
#ifdef BREAK_TEXT_CONTENT
#define MAY_READ_TEXT(r, v) ((cache[key[r]] & PAIRS_OF(before[r])) && (text[key[r]] & BIT(v)))
#else
#define MAY_READ_TEXT(r, v) MAY_FIND(r, v)
#endif

#define WAS_VISIBLE(r, v) (window[r] & BIT(v))

/* Whether a get would find the item just stored: goes on with that, or gives up. */
#ifdef BREAK_LEAVE_LOOK
#define FINDS_OWN(k) true
#else
#define FINDS_OWN(k) (VISIBLE(k) == stored[k])
#endif
#ifdef BREAK_LEAVE_UNLOCKED
#define UNLOCK_OWN(r) skip
#else
#define UNLOCK_OWN(r) locked[key[r]] = false
#endif

inline look_at_own(r, next_phase)
{
    if
    :: FINDS_OWN(key[r]) -> value[r] = stored[key[r]]; phase[r] = next_phase
    :: else -> UNLOCK_OWN(r); end_read(r)
    fi
}

proctype Reader(byte me)
{
    do
    /* A get in the kernel. One that it cannot answer goes to the origin: a new get, here. */
    :: atomic { /* starts; the socket is there */
        phase[me] == IDLE && SOCKET_FIRST ->
        choose_key(key[me]);
        window[me] = BIT(VISIBLE(key[me]));
        phase[me] = STARTED
    }
    :: atomic { /* reads the generation */
        phase[me] == STARTED ->
        if
        :: IN_FORCE(generation) -> before[me] = generation; phase[me] = GENERATION_READ
        :: else -> end_read(me)
        fi
    }
    :: atomic { /* copies the entry, if there is one */
        phase[me] == GENERATION_READ && SOCKET_NEXT ->
        if
        :: MAY_FIND(me, 1) -> value[me] = 1; current[me] = true
        :: MAY_FIND(me, 2) -> value[me] = 2; current[me] = true
        :: value[me] = ABSENT
        fi;
        phase[me] = COPIED
    }
    :: atomic { /* reads the clock: a hit, granted absence, or neither */
        phase[me] == COPIED ->
        if
        :: value[me] != ABSENT && CLOCK_OK(me) && IN_TIME(value[me]) ->
            assert(WAS_VISIBLE(me, value[me]))
        :: else ->
            if
            :: MAY_FIND(me, ABSENT) -> assert(WAS_VISIBLE(me, ABSENT))
            :: MAY_READ_TEXT(me, 1) && IN_TIME(1) -> assert(WAS_VISIBLE(me, 1))
            :: MAY_READ_TEXT(me, 2) && IN_TIME(2) -> assert(WAS_VISIBLE(me, 2))
            :: else
            fi
        fi;
        end_read(me)
    }

    /* A get at the origin. Its own result is right by definition; its grant matters. */
    :: atomic { /* reads the generation */
        phase[me] == IDLE && AT_PORT ->
        before[me] = generation;
        phase[me] = AT_ORIGIN
    }
    :: atomic { /* takes the lock; looks up; unlinks what is flushed or expired */
        phase[me] == AT_ORIGIN && ONE_UNLOCKED ->
        choose_unlocked(key[me]);
        value[me] = VISIBLE(key[me]);
        phase[me] = LOOKED_UP;
#ifndef BREAK_GRANT_UNLOCKED
        locked[key[me]] = true;
#endif
        if
        :: value[me] != stored[key[me]] ->
            tick();
            stored[key[me]] = ABSENT;
            UNFLUSH(key[me])
        :: else
        fi
    }
    /* A writer, with the lock in which it has changed the item. */
#ifdef BREAK_LEAVE_GENERATION /* looks first, and reads the generation then */
    :: atomic { phase[me] == CHANGED -> look_at_own(me, LEAVING) }
    :: atomic { phase[me] == LEAVING -> before[me] = generation; phase[me] = LOOKED_UP }
#else
    :: atomic { /* reads the generation */
        phase[me] == CHANGED ->
        if
        :: IN_FORCE(generation) -> before[me] = generation; phase[me] = LEAVING
        :: else -> UNLOCK_OWN(me); end_read(me)
        fi
    }
#ifdef BREAK_LEAVE_UNLOCKED
    :: atomic {
        phase[me] == LEAVING ->
        cache[key[me]] = cache[key[me]] | PAIR(before[me], value[me]);
        end_read(me)
    }
#else
    :: atomic { phase[me] == LEAVING -> look_at_own(me, LOOKED_UP) }
#endif
#endif

    :: atomic { /* reads the clock; publishes; gives the lock back; replies */
        phase[me] == LOOKED_UP ->
#ifdef BREAK_GRANT_GENERATION
        before[me] = generation; /* not before the lookup, but behind it */
#endif
        if
        :: IN_FORCE(before[me]) ->
            cache[key[me]] = cache[key[me]] | PAIR(before[me], value[me])
        :: else
        fi;
#ifdef BREAK_TEXT_CONTENT
        text[key[me]] = text[key[me]] | BIT(value[me]);
#endif
#ifdef BREAK_FILL_GRANT
        sent[key[me]] = sent[key[me]] | BIT(value[me]);
#endif
#ifndef BREAK_GRANT_UNLOCKED
        locked[key[me]] = false;
#endif
        end_read(me)
    }
    od
}

#ifdef BREAK_FILL_GRANT
/* Believes any reply ever sent, and stamps it with what clock and generation show. */
proctype Filler()
{
    byte k, v;

    do
    :: atomic {
        IN_FORCE(generation) ->
        choose_key(k);
        if :: v = 1 :: v = 2 fi;
        if
        :: sent[k] & BIT(v) -> cache[k] = cache[k] | PAIR(generation, v)
        :: else
        fi;
        k = 0; v = 0
    }
    od
}
#endif

/* ---- Events. Whoever moves the generation holds the origin's generation_lock. */

#ifdef FLUSH
inline flush_or_bring_back(k)
{
    if :: flushed[k] = false :: stored[k] -> flushed[k] = true fi
}

inline store_flush()
{
    flush_or_bring_back(0);
    flush_or_bring_back(1);
    note_change()
}

/*
 * BREAK_FLUSH_ONE_STEP_*: the generation makes one step of 2, before or behind the
 * store. While the origin is not serving the generation stays odd.
 */
proctype Flusher()
{
    do
    :: atomic {
        AT_PORT && !FLUSHING && (!IS_SERVING || generation < LAST_GENERATION) ->
        flush = FLUSH_BEGUN;
#ifdef BREAK_FLUSH_ONE_STEP_BEFORE
        generation = generation + 2;
#endif
#if !defined(BREAK_FLUSH_ONE_STEP_BEFORE) && !defined(BREAK_FLUSH_ONE_STEP_AFTER)
        if :: generation % 2 == 0 -> generation++ :: else fi;
#endif
        forget()
    }
    :: atomic {
        flush == FLUSH_BEGUN ->
        flush = FLUSH_STORED;
        store_flush()
    }
    :: atomic {
        flush == FLUSH_STORED ->
        flush = NO_FLUSH;
#ifdef BREAK_FLUSH_ONE_STEP_AFTER
        generation = generation + 2;
#endif
        if :: IS_SERVING && generation % 2 == 1 -> generation++ :: else fi;
        forget()
    }
    od
}
#endif

#ifdef BMC_FLUSH
/*
 * BREAK_BMC_FLUSH_STORE: it reads the generation, adds 2 and stores that, and what the
 * origin did in between is lost. BREAK_BMC_FLUSH_ONE: it adds 1.
 */
#ifdef BREAK_BMC_FLUSH_ONE
#define BMC_FLUSH_STEP 1
#else
#define BMC_FLUSH_STEP 2
#endif
proctype BmcFlush()
{
#ifdef BREAK_BMC_FLUSH_STORE
    byte was;

    do
    :: atomic {
        generation + BMC_FLUSH_STEP <= LAST_GENERATION ->
        was = generation
    }
       atomic {
        generation = was + BMC_FLUSH_STEP;
        was = 0;
        forget()
    }
    od
#else
    do
    :: atomic {
        generation + BMC_FLUSH_STEP <= LAST_GENERATION ->
        generation = generation + BMC_FLUSH_STEP;
        forget()
    }
    od
#endif
}
#endif

#ifdef EXPIRY
proctype Time()
{
    late = true;
    atomic { denied = true; note_change() }
}
#endif

#ifdef RESTART
inline any_contents()
{
    choose_value(stored[0]);
    choose_value(stored[1]);
    UNFLUSH(0);
    UNFLUSH(1);
    note_change()
}

inline to_odd()
{
    if :: generation % 2 == 0 -> generation++ :: else fi;
    forget()
}

proctype Machine()
{
    byte n;

    do
    /* The origin ends in order: it closes what it shares, then its threads end. */
    :: atomic {
        AT_PORT && IS_SERVING && !FLUSHING && generation < LAST_GENERATION ->
        life = CLOSED;
        to_odd()
    }
    /* It ends, all its threads with it; what they held and had under way is gone. */
    :: atomic {
        AT_PORT ->
        d_step {
            bound = NOBODY;
            life = DEAD;
            locked[0] = false;
            locked[1] = false;
#ifdef FLUSH
            flush = NO_FLUSH;
#endif
            for (n : 0 .. WRITERS - 1) { writing[n] = 0 }
            for (n : 0 .. READERS - 1) {
                if
                :: phase[n] == AT_ORIGIN || phase[n] == LOOKED_UP || phase[n] == CHANGED ||
                   phase[n] == LEAVING ->
                    phase[n] = IDLE; key[n] = 0; before[n] = 0; value[n] = 0
                :: else
                fi
            }
            n = 0
        }
    }
    /* The kernel closes its socket; before that nobody can have the port. */
    :: atomic { bound == NOBODY && socket -> socket = false }

    :: atomic { bound == NOBODY && !socket -> bound = PLAIN; any_contents() }
    :: atomic { bound == PLAIN -> choose_key(n); change(n); n = 0 }
    :: atomic { bound == PLAIN -> bound = NOBODY }

    /* An origin starts: locks the folder, makes the generation odd. */
    :: atomic {
        life == DEAD && generation < LAST_GENERATION ->
        life = OPENED;
#if !defined(BREAK_START_GENERATION) && !defined(BREAK_START_ORDER)
        to_odd()
#endif
    }
    :: atomic { life == OPENED -> life = DEAD }
    /* Has the port; the socket may be found at once, although it is put there later. */
    :: atomic {
        life == OPENED && bound == NOBODY && !socket ->
        life = BOUND;
        bound = ORIGIN;
        socket = true;
        any_contents()
    }
    /* Is ready. BREAK_START_ORDER: the generation moves only now. */
    :: atomic {
        life == BOUND && !FLUSHING ->
        life = SERVING;
#ifdef BREAK_START_ORDER
        to_odd();
#endif
        if :: generation % 2 == 1 -> generation++ :: else fi;
        forget()
    }
    od
}
#endif

init
{
    atomic {
        for (i_ : 0 .. WRITERS - 1) { run Writer(i_) }
        for (i_ : 0 .. READERS - 1) { run Reader(i_) }
        i_ = 0;
        run Snoop();
#ifdef BREAK_FILL_GRANT
        run Filler();
#endif
#ifdef FLUSH
        run Flusher();
#endif
#ifdef BMC_FLUSH
        run BmcFlush();
#endif
#ifdef EXPIRY
        run Time();
#endif
#ifdef RESTART
        run Machine();
#endif
    }
}
