/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Shared between the files of the library; nothing here is exported. */

#include "tpmid.h"

#include <stdatomic.h>
#include <systemd/sd-bus.h>

#define LIB_SERVICE "org.tpmid1"
#define LIB_ERROR(name) LIB_SERVICE ".Error." name
#define LIB_DBUS_ERROR(name) "org.freedesktop.DBus.Error." name

/* ---- errors ---- */

/**
 * lib_error_set:
 * @error: (out) (optional): what to fill in
 * @number: positive errno value
 * @name: D-Bus error name
 * @format: the message, printf style; cut at a character's end where it is too long
 *
 * Returns: -@number
 */
int lib_error_set (tpmid_error *error, int number, const char *name, const char *format, ...)
  __attribute__ ((format (printf, 4, 5)));

/** lib_error_number: positive errno value that comes closest to the D-Bus error @name */
int lib_error_number (const char *name);

/**
 * lib_error_set_errno:
 * @result: negative errno value of a local failure (of sd-bus)
 * @what: what was being done
 *
 * Returns: @result
 */
int lib_error_set_errno (tpmid_error *error, int result, const char *what);

/**
 * lib_error_set_reply:
 * @reply: the error that a call was answered with, set
 *
 * Returns: negative errno value
 */
int lib_error_set_reply (tpmid_error *error, const sd_bus_error *reply);

/* ---- text ---- */

bool lib_text_is_utf8 (const char *string);

/** lib_text_is_key_name: whether @name is [a-z0-9][a-z0-9._-]{0,63} */
bool lib_text_is_key_name (const char *name);

/** LIB_KEY_PATH_SIZE: room for the object path of any key, with its NUL: the folder and 64 escaped bytes */
#define LIB_KEY_PATH_SIZE 256

/** lib_text_key_path: writes the object path of the key @name, a key name (org.tpmid1.Key.xml has the rule), to @path */
void lib_text_key_path (const char *name, char path[LIB_KEY_PATH_SIZE]);

/**
 * lib_text_key_name:
 *
 * Returns: (transfer full) (nullable): name of the key at object path @path; NULL when it is no key's path (errno EBADMSG),
 *   or out of memory (ENOMEM)
 */
char *lib_text_key_name (const char *path);

/* ---- values ---- */

tpmid_value *lib_value_new (tpmid_kind kind);
tpmid_value *lib_value_new_boolean (bool boolean);
tpmid_value *lib_value_new_unsigned (uint64_t number);
tpmid_value *lib_value_new_signed (int64_t number);
tpmid_value *lib_value_new_real (double number);
tpmid_value *lib_value_new_string (const char *string);
tpmid_value *lib_value_new_bytes (const void *data, size_t size);

/**
 * lib_value_append:
 * @container: a list or dict
 * @key: (nullable): for a dict; copied
 * @child: (transfer full) (nullable): the element; freed on failure too; NULL is out of memory
 *
 * Returns: 0 or -ENOMEM
 */
int lib_value_append (tpmid_value *container, const char *key, tpmid_value *child);

/**
 * lib_value_read:
 * @message: at the value to read
 * @ret_value: (out) (transfer full): the value
 *
 * Returns: 0, -EBADMSG for what has no place in a tpmid_value, or sd-bus's error
 */
int lib_value_read (sd_bus_message *message, tpmid_value **ret_value);

/**
 * lib_value_write:
 * @message: to append to
 * @dict: (nullable): NULL is an empty dict
 *
 * Appends @dict as a{sv}; its elements are strings, byte strings, booleans, or lists of strings.
 *
 * Returns: 0, -EINVAL for other elements, or sd-bus's error
 */
int lib_value_write (sd_bus_message *message, const tpmid_value *dict);

static inline void
lib_value_clear (tpmid_value **value)
{
  tpmid_value_free (*value);
}
#define lib_auto_value __attribute__ ((cleanup (lib_value_clear))) tpmid_value *

/* ---- time ---- */

/** lib_now: CLOCK_MONOTONIC in microseconds */
uint64_t lib_now (void);

/** lib_deadline: CLOCK_MONOTONIC instant in microseconds, @timeout_ms from now */
uint64_t lib_deadline (int timeout_ms);

/** lib_deadline_left: microseconds until @deadline; 0 when it has passed */
uint64_t lib_deadline_left (uint64_t deadline);

/* ---- connections ---- */

/** LIB_CONNECTIONS_MAX: connections of one client in one process, and so its calls that are on the bus at the same time */
#define LIB_CONNECTIONS_MAX 16

/**
 * LibPool:
 *
 * The connections of one client in one process. sd-bus objects are for one thread at a time and for the process that made
 * them: a connection is therefore leased to one call, and a child of fork() gets a pool of its own. The pool's lock is held
 * for a few instructions only, never while anything is sent, opened or waited for; and the child never touches the lock, as
 * a thread that is not in the child may hold it there for ever.
 */
typedef struct LibPool LibPool;

/** LibConnection: one connection of a pool, leased: nobody else uses it or anything made from its sd_bus */
typedef struct LibConnection LibConnection;

struct tpmid_client
{
  char *address;             /* NULL: the system bus */
  _Atomic (LibPool *) pool;  /* of the process that used the client last: ours, or that of an ancestor */
  atomic_bool is_served;     /* tpmidd has been there */
};

/**
 * lib_bus_open:
 * @address: (nullable): as tpmid_client_new()
 * @ret_bus: (out) (transfer full): a connection that is ready for calls
 */
int lib_bus_open (const char *address, uint64_t deadline, sd_bus **ret_bus, tpmid_error *error);

/** lib_pool_new: (transfer full) (nullable): an empty pool of this process; NULL when out of memory */
LibPool *lib_pool_new (void);

/**
 * lib_pool_free:
 * @pool: (transfer full): without leases; one that came from another process by fork() is only let go of: its sockets are
 *   closed here, without a byte on the wire, and its memory, which sd-bus does not give back in a child, stays
 */
void lib_pool_free (LibPool *pool);

/**
 * lib_client_lease:
 * @ret_connection: (out) (transfer full): lib_connection_release()
 *
 * Waits for a connection that nobody uses. A call leases one, and a function that makes two calls clears the first before
 * it opens the second: otherwise as many threads as there are connections would wait for each other.
 */
int lib_client_lease (tpmid_client *client, uint64_t deadline, LibConnection **ret_connection, tpmid_error *error);

/**
 * lib_connection_ready:
 * @address: (nullable): as tpmid_client_new()
 * @ret_bus: (out) (transfer none): valid until the next call or the release
 *
 * Opens the connection where it never was open and where it broke.
 */
int lib_connection_ready (LibConnection *connection, const char *address, uint64_t deadline, sd_bus **ret_bus,
                          tpmid_error *error);

/** lib_connection_close: so that an answer does not come here for which nobody waits any more; the next call opens it anew */
void lib_connection_close (LibConnection *connection);

/** lib_connection_release: @connection: (nullable): back to its pool; no message made on it may be left */
void lib_connection_release (LibConnection *connection);

/* ---- repeats ---- */

/** LibRetry: what one call has been through; zeroed at its begin */
typedef struct LibRetry
{
  uint64_t pause_us;     /* the last pause; 0: none yet */
  uint64_t absent_since; /* since when there is no tpmidd or no bus; 0: it was there at the last try */
  unsigned unknown;      /* how often the object was not there */
  bool is_sent_again;    /* an answer was lost once */
  bool is_once;          /* a lost answer is final: nobody knows what was done, and a second time would not be the same */
} LibRetry;

/**
 * lib_retry_pause:
 * @error: how the last try ended
 * @is_served: whether tpmidd has been there before
 *
 * Decides whether to try again, and waits until then. Busy and NotReady are waited out; so is the return of a tpmidd or a bus
 * that was there before, up to 10 s; an answer that was lost is asked for once more, unless the call is_once. tpmidd says
 * Cancelled when it stops; then and at its start its objects are unknown. RateLimited is final: its time is longer than a call's.
 *
 * Returns: whether to try again
 */
bool lib_retry_pause (LibRetry *retry, const tpmid_error *error, bool is_served, uint64_t deadline);

/* ---- calls ---- */

/** LibTarget: whose method is called */
typedef struct LibTarget
{
  const char *path;
  const char *interface;
  const char *service; /* NULL: tpmidd */
} LibTarget;

/**
 * LibCall: one method call. Open (or begin), append the arguments to @message, finish, read from @reply, clear.
 *
 * A method that can be repeated without harm (what the first try did, the second finds done) is repeated for every trouble
 * that passes; where @retry.is_once only while it is certain that nothing was done.
 */
typedef struct LibCall
{
  tpmid_client *client;      /* NULL: begun on a connection of somebody's own; tried once */
  LibConnection *connection; /* leased; NULL without a client */
  bool is_secret;            /* for a call of a client: the answer is wiped, and does not come after the call has failed */
  LibRetry retry;
  sd_bus *bus;
  uint64_t deadline;
  sd_bus_message *message;
  sd_bus_message *reply;
} LibCall;

void lib_call_clear (LibCall *call);
#define lib_auto_call __attribute__ ((cleanup (lib_call_clear))) LibCall

/**
 * lib_call_begin:
 * @call: zeroed
 * @bus: an open connection
 */
int lib_call_begin (LibCall *call, sd_bus *bus, const LibTarget *target, const char *method, uint64_t deadline,
                    tpmid_error *error);

/** lib_call_open: lib_call_begin() on a connection of the client's, which it opens where needed */
int lib_call_open (LibCall *call, tpmid_client *client, const LibTarget *target, const char *method, uint64_t deadline,
                   tpmid_error *error);

/**
 * lib_call_finish:
 * @result: what appending the arguments returned; a failure is reported from here
 * @signature: what the answer has to be
 *
 * Sends the call, and again where lib_retry_pause() says so. For a key's object that is not there the error is the reason why
 * (NotFound, NotReady): asked for only then, so that a call to a key costs one round trip.
 */
int lib_call_finish (LibCall *call, int result, const char *signature, tpmid_error *error);

/** lib_call_string: reads one string (or object path) of the answer: (out) (transfer full) (optional) @ret_string */
int lib_call_string (LibCall *call, char **ret_string, tpmid_error *error);

/** lib_call_bytes: reads one byte array of the answer: (out) (transfer full) @ret_data; never NULL */
int lib_call_bytes (LibCall *call, uint8_t **ret_data, size_t *ret_size, tpmid_error *error);

/** lib_call_value: reads one value of any type of the answer */
int lib_call_value (LibCall *call, tpmid_value **ret_value, tpmid_error *error);
