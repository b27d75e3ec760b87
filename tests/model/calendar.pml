/* calendar.pml - a model of the calendar's core for the model checker Spin (server/commit/calendar.c has the protocol).
 *
 * One writer pushes PUSHES entries, alone or in a group of two, into ticks of its choice, and unlinks what is empty whenever it
 * likes; POPPERS poppers pull PULLS times each. All interleavings of their reads, writes and exchanges of shared words are tried.
 *
 * Asserted, in every state:
 * - an entry leaves once; when it leaves, no entry of a smaller tick, or of its tick and older, whose push had returned, waits;
 * - a pull that is told "empty" finds, at that moment, no entry waiting whose push had returned;
 * - what is unlinked is empty; a position never goes beyond what is published;
 * - in the end, when all have stopped, a last pull after the other gives all that is left: nothing is lost.
 * As each pull takes effect at one exchange or load of the cursor and each push between its publication and its return, that is
 * linearizability of the queue.
 *
 * Covered: the handshake of push and search (rules 1, 3, 4), leaving a chunk (2), unlinking while others search (5), versions (6),
 * groups (7), chains of more than one chunk, take-if-still-the-head, one step from chunk to chunk.
 * Not covered: the trie, which is one node here (its `live` word is read once, before its children, as the code does); growing
 * nodes; how long a grace period is (a chunk is never used twice here, save in BREAK_5); more ticks, threads and pushes than given.
 *
 * Spin knows sequential consistency only. That is enough for the words of the handshake: every store that publishes (tail, next,
 * live) and every load of a search, and all operations on the cursor, are seq_cst in the code, hence in one total order that agrees
 * with each thread's own. The rest (head, entries, tick) is written before such an operation of the same thread and read by
 * others only after they have read from it, so ordinary happens-before gives them the value that is here. BUFFER puts the writer's
 * publications into a store buffer, which a seq_cst store drains; BREAK_4 lets it drain whenever it likes, as after a release store,
 * and entries get lost.
 *
 * Each BREAK_ leaves one thing out; Spin must find an error then. tests/model/check runs them all.
 */
#ifndef PUSHES
#define PUSHES 3
#endif
#ifndef POPPERS
#define POPPERS 2
#endif
#ifndef PULLS
#define PULLS 2
#endif
#ifndef TICKS
#define TICKS 2
#endif
#ifndef CAP
#define CAP 2 /* entries of a chunk */
#endif
#define CHUNKS (PUSHES + 1) /* 0 is none */

/* The cursor: state, what is in bits 2 and 3, what is above. */
#define EMPTY          0
#define READY          1
#define SEEK           2
#define STATE(word)    ((word) & 3)
#define LOW(word)      (((word) >> 2) & 3)
#define HIGH(word)     ((word) >> 4)
#define WORD(s, hi, lo) ((s) | ((lo) << 2) | ((hi) << 4))

short cursor = EMPTY;
byte version;
byte live;                    /* a bit a tick */
byte place[TICKS];            /* first chunk */
byte next[CHUNKS];
byte head[CHUNKS];
byte tail[CHUNKS];
byte tick[CHUNKS];
byte entries[CHUNKS * CAP];

/* What only the assertions know. Entries are numbered from 1 in the order of their push. */
byte tick_of[PUSHES + 1];
bool returned[PUSHES + 1];
bool gone[PUSHES + 1];
byte stopped;                 /* poppers that have done their pulls */

#ifdef BUFFER
bool pending;
byte pending_kind;
byte pending_at;
byte pending_value;
bool writer_stopped;
#define SETTLED() !pending
#else
#define SETTLED() true
#endif

#define TAIL 1
#define NEXT 2
#define LIVE 3

inline apply(kind, at_, value)
{
    if
    :: kind == TAIL -> tail[at_] = value
    :: kind == NEXT -> next[at_] = value
    :: kind == LIVE -> live = value
    fi
}

/* The one store that shows new entries to searches. */
inline publish(kind, at_, value)
{
#ifdef BUFFER
    atomic { pending = true; pending_kind = kind; pending_at = at_; pending_value = value };
#ifndef BREAK_4
    SETTLED() /* a seq_cst store is over when the buffer is empty */
#else
    skip
#endif
#else
    atomic { apply(kind, at_, value) }
#endif
}

inline swap(from, to)
{
    atomic {
        ok = (cursor == from);
        if
        :: ok -> cursor = to
        :: else
        fi
    }
}

/* A word of SEEK with a version of its own. */
inline seek_word(from)
{
#ifdef BREAK_6
    word = WORD(SEEK, 0, from);
#else
    atomic { version++; word = WORD(SEEK, version, from); assert(version < 127) }
#endif
}

inline leave(chunk, pos)
{
#ifdef BREAK_2
    head[chunk] = pos;
#else
    atomic { if :: head[chunk] < pos -> head[chunk] = pos :: else fi }
#endif
}

/* found: the first entry of a chain that is not gone, or EMPTY. */
inline chain_find(first)
{
    atomic { c = first; found = EMPTY };
    do
    :: c == 0 -> break
    :: c != 0 ->
        h = head[c];
        atomic {
            t = tail[c];
            if
            :: h < t -> found = WORD(READY, c, h); c = 0
            :: h >= t && t < CAP -> c = 0
            :: h >= t && t == CAP -> goto_next = true
            fi;
            h = 0; t = 0
        };
        if
        :: goto_next -> atomic { c = next[c]; goto_next = false }
        :: else
        fi
    od
}

/* No entry that waits, and whose push had returned, comes before entry `e` (PUSHES + 1: before the end). */
inline check_first(e, e_tick)
{
    i = 1;
    do
    :: i > PUSHES -> break
    :: else ->
        assert(!returned[i] || gone[i] || tick_of[i] > e_tick || (tick_of[i] == e_tick && i >= e));
        i++
    od;
    i = 0
}

inline resolve()
{
    atomic { snap = live; k = LOW(word); found = EMPTY };
    do
    :: k >= TICKS || found != EMPTY -> break
    :: else ->
        if
        :: snap & (1 << k) -> chain_find(place[k])
        :: else
        fi;
        k++
    od;
    atomic { swap(word, found); snap = 0; k = 0; found = EMPTY }
}

inline advance()
{
    n = 0;
    if
    :: pos == CAP -> n = next[chunk]
    :: else
    fi;
    leave(chunk, pos);
    old = word;
    if
    :: n != 0 -> swap(old, WORD(READY, n, 0))
    :: else ->
#ifdef BREAK_3
        seek_word(tick[chunk] + 1);
#else
        seek_word(tick[chunk]);
#endif
        swap(old, word)
    fi;
    n = 0; old = 0
}

inline take()
{
    e = entries[chunk * CAP + pos];
#ifdef BREAK_CAS
    ok = (cursor == word);
    atomic {
        if
        :: ok -> cursor = WORD(READY, chunk, pos + 1)
#else
    atomic {
        ok = (cursor == word);
        if
        :: ok -> cursor = WORD(READY, chunk, pos + 1)
#endif
            assert(e != 0 && !gone[e]);
            check_first(e, tick_of[e]);
            gone[e] = true
        :: else
        fi
    };
    e = 0
}

/* Until an entry was taken or the queue was empty. */
inline pull()
{
    do
    :: atomic {
            word = cursor;
            if
            :: word == EMPTY -> check_first(PUSHES + 1, TICKS)
            :: else
            fi
        };
        if
        :: STATE(word) == EMPTY -> is_empty = true; break
        :: STATE(word) == SEEK -> resolve()
        :: STATE(word) == READY ->
            chunk = HIGH(word); pos = LOW(word);
            t = tail[chunk];
            assert(pos <= t);
            if
            :: pos < t ->
                t = 0;
                take();
                if
                :: ok -> break
                :: else
                fi
            :: else -> t = 0; advance()
            fi
        fi
    od;
    atomic { word = 0; chunk = 0; pos = 0; ok = false }
}

#define LOCALS                                                                                                                     \
    short word, found, old;                                                                                                        \
    byte c, h, t, i, k, snap, n, chunk, pos, e, pulls;                                                                             \
    bool ok, is_empty, goto_next

proctype popper()
{
    LOCALS;

    do
    :: pulls < PULLS -> pull(); is_empty = false; pulls++
    :: else -> break
    od;
    pulls = 0;
    stopped++
}

/* --- the writer --- */

/* The first tick that may still hold entries. */
inline floor_of()
{
    if
    :: STATE(word) == EMPTY -> floor = TICKS
    :: STATE(word) == SEEK -> floor = LOW(word)
    :: STATE(word) == READY -> floor = tick[HIGH(word)]
    fi
}

/* What leaves the chain of tick k, from its first chunk up to `stop`, is empty. */
inline check_gone(stop)
{
    c = place[k];
    do
    :: c == stop || c == 0 -> break
    :: else ->
        assert(head[c] == tail[c]);
        n = next[c];
#ifdef BREAK_5
        used[c] = false;
#endif
        c = n
    od;
    c = 0; n = 0
}

inline clean()
{
    atomic { word = cursor; floor_of(); k = 0 };
    do
    :: k >= TICKS -> break
    :: else ->
        if
        :: (live & (1 << k)) && k < floor -> atomic { check_gone(0); live = live & ~(1 << k) }
        :: (live & (1 << k)) && k == floor && STATE(word) == READY -> atomic { check_gone(HIGH(word)); place[k] = HIGH(word) }
        :: else
        fi;
        k++
    od;
    atomic { k = 0; floor = 0; word = 0 }
}

/* n: a chunk with entry e for tick k, known to nobody. */
inline chunk_make()
{
#ifdef BREAK_5
    n = 1;
    do
    :: used[n] -> n++
    :: else -> break
    od;
    used[n] = true;
#else
    made++;
    n = made;
#endif
    tick[n] = k; head[n] = 0; tail[n] = 1; next[n] = 0;
    entries[n * CAP] = e;
    last[k] = n
}

/* Publishes entry e of tick k; at[item] becomes its chunk. */
inline put(item)
{
    SETTLED();
    if
    :: !(live & (1 << k)) ->
        atomic { chunk_make(); place[k] = n; at[item] = n };
        publish(LIVE, 0, live | (1 << k))
    :: else ->
        c = last[k];
        if
        :: tail[c] < CAP ->
            atomic { entries[c * CAP + tail[c]] = e; at[item] = c };
            publish(TAIL, c, tail[c] + 1)
        :: else ->
            atomic { chunk_make(); at[item] = n };
            publish(NEXT, c, n)
        fi
    fi;
    c = 0; n = 0
}

/* met: whether the cursor accounts for all that was published at tick k or later. */
inline meet(item)
{
    do
    :: word = cursor;
        if
        :: STATE(word) == SEEK ->
#ifdef BREAK_1_SEEK
            if
            :: k >= LOW(word) -> met = true; break
            :: else
            fi;
#endif
            old = word;
            if
            :: k < LOW(word) -> seek_word(k)
            :: else -> seek_word(LOW(old))
            fi;
            SETTLED();
            swap(old, word)
        :: STATE(word) == EMPTY -> SETTLED(); chain_find(at[item]);
            if
            :: found == EMPTY -> met = false; break
            :: else -> swap(word, found)
            fi
        :: STATE(word) == READY ->
#ifdef BREAK_1_READY
            met = true; break;
#endif
            if
            :: tick[HIGH(word)] <= k -> met = true; break
            :: else
            fi;
            SETTLED();
            chain_find(at[item]);
            if
            :: found == EMPTY -> met = false; break
            :: else -> leave(HIGH(word), LOW(word)); swap(word, found)
            fi
        fi;
        if
        :: ok -> met = true; break
        :: else
        fi
    od;
    atomic { word = 0; old = 0; found = EMPTY; ok = false }
}

/* Cleaning before a push that may lower the cursor. */
inline clean_above()
{
    atomic { word = cursor; floor_of(); word = 0 };
    if
    :: floor > k -> keep = k; clean(); k = keep; keep = 0
    :: else -> floor = 0
    fi
}

inline choose_tick(item)
{
    if
    :: ticks[item] = 0
    :: ticks[item] = TICKS - 1
    fi;
    tick_of[pushed + 1 + item] = ticks[item]
}

inline push_group(count)
{
    choose_tick(0);
    if
    :: count == 2 -> choose_tick(1)
    :: else
    fi;
    SETTLED();
    k = ticks[0]; clean_above();
    if
    :: count == 2 -> k = ticks[1]; clean_above()
    :: else
    fi;
    e = pushed + 1; k = ticks[0]; put(0);
    if
    :: count == 2 ->
#ifdef BREAK_7_CLEAN
        k = ticks[1]; clean_above();
#endif
        e = pushed + 2; k = ticks[1]; put(1)
    :: else
    fi;
#ifdef BREAK_7_LOWEST
    lowest = 0;
#else
    lowest = (count == 2 && ticks[1] < ticks[0] -> 1 : 0);
#endif
    k = ticks[lowest]; meet(lowest);
    if
    :: count == 2 && !met ->
        k = ticks[0]; meet(0);
        k = ticks[1]; meet(1)
    :: else
    fi;
    atomic {
        returned[pushed + 1] = true;
        if
        :: count == 2 -> returned[pushed + 2] = true
        :: else
        fi;
        pushed = pushed + count
    };
    atomic { k = 0; e = 0; met = false; lowest = 0; ticks[0] = 0; ticks[1] = 0; at[0] = 0; at[1] = 0 }
}

proctype writer()
{
    LOCALS;
    byte made, pushed, floor, lowest, keep;
    byte last[TICKS];
    byte at[2];
    byte ticks[2];
    bool met;
#ifdef BREAK_5
    bool used[CHUNKS + 1];
#endif

    do
    :: pushed < PUSHES -> push_group(1)
    :: pushed + 1 < PUSHES -> push_group(2)
    :: pushed == PUSHES -> break
    od;
    /* All have stopped: what is left is found. */
    SETTLED() && stopped == POPPERS;
    do
    :: !is_empty -> pull()
    :: else -> break
    od;
    e = 1;
    do
    :: e > PUSHES -> break
    :: else -> assert(gone[e]); e++
    od
#ifdef BUFFER
    ;
    writer_stopped = true
#endif
}

#ifdef BUFFER
proctype buffer()
{
    do
    :: atomic { pending -> apply(pending_kind, pending_at, pending_value); pending = false }
    :: writer_stopped && !pending -> break
    od
}
#endif

init
{
    byte i = 0;

    atomic {
        run writer();
#ifdef BUFFER
        run buffer();
#endif
        do
        :: i < POPPERS -> run popper(); i++
        :: else -> break
        od;
        i = 0
    }
}
