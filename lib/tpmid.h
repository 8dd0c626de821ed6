/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * libtpmid: the device's identity, from any program.
 *
 * A thin, typed way to the D-Bus service org.tpmid1, which owns the device's TPM. No TPM, no key and no secret is ever
 * in the caller's process. What the methods do, which rights they need and which errors they answer with is written in
 * the interface files org.tpmid1.*.xml; each function names its method.
 *
 * Common to all functions
 *
 * - Success is 0 or more, failure a negative errno value; on failure @error, where given, is filled in, and every
 *   `ret_` parameter is untouched. On success @error is untouched: it needs no initialisation and no clean-up.
 * - @timeout_ms bounds the whole call, with the opening of the connection and all repeats: milliseconds, 0 or more, or
 *   TPMID_TIMEOUT_DEFAULT. When it has passed, the error is org.freedesktop.DBus.Error.NoReply (ETIMEDOUT); or, of a call that
 *   was being repeated, the error that it was repeated for.
 * - Memory that a function hands out belongs to the caller: strings and byte arrays are freed with free(), lists of
 *   strings with tpmid_strv_free(), opaque objects with their own function. Each of these takes NULL.
 * - Strings are UTF-8. What is not is refused with org.tpmid1.Error.InvalidArgument before anything is sent.
 *
 * Threads
 *
 * - One client may be used by any number of threads at the same time. Their calls run side by side: each has a connection of
 *   its own while it lasts, which the client keeps for the next. At most 16 calls of one client are on the bus at the same
 *   time; more wait, within their @timeout_ms.
 * - tpmid_client_free() is for the last user: no other thread may be in a call of this client, or call it again.
 * - One watch is for one thread at a time. Values and identities do not change and can be read by several threads at once.
 *
 * Processes
 *
 * - After fork() a client works in the child as it did in the parent, whatever the parent's other threads were doing with it at
 *   that instant. The child opens connections of its own; the parent's go on undisturbed: the child sends nothing on them and
 *   only closes the descriptors that it inherited, at its first call or at tpmid_client_free(). What memory sd-bus had
 *   allocated for them in the parent stays allocated in the child.
 * - A watch is not for the child; its tpmid_watch_free() is. Nothing here is for a child of vfork() or for signal handlers.
 *
 * Repeats
 *
 * - A call is repeated within its @timeout_ms:
 *   where tpmidd is busy (org.tpmid1.Error.Busy), or has not made its boot decision yet (NotReady): until the time has passed,
 *   with pauses that grow from 50 ms to 1 s;
 *   where tpmidd or the bus has gone, but this client had reached it before: until it is back, for at most 10 s. Otherwise the
 *   error ServiceUnknown or NoServer comes at once;
 *   where tpmidd stopped (Cancelled) or died (NoReply) under the call, or the connection broke (Disconnected): once more, no
 *   matter whether the first was carried out. The second time it is the error.
 *   Functions that say "never repeated" have this error at the first time, as a second call would do something else, or fail for
 *   what the first has done: the status then says how it ended.
 *   Every other error is the last word, RateLimited too: who was told to wait decides whether to.
 * - A connection that broke is opened anew by the next call.
 */

/** TPMID_TIMEOUT_DEFAULT: for @timeout_ms: 120 seconds; a TPM that makes an RSA key may hold up everybody for a minute */
#define TPMID_TIMEOUT_DEFAULT (-1)

/**
 * tpmid_error:
 * @name: the D-Bus error name: org.tpmid1.Error.… as the daemon sent it, or org.freedesktop.DBus.Error.… (NoServer: no
 *   bus; Disconnected: the bus went away; ServiceUnknown: no tpmidd; NoReply: no answer in time; BadAddress; AccessDenied;
 *   NoMemory; InconsistentMessage: an answer that does not fit the interface)
 * @message: a sentence for a person, in UTF-8; cut off where it is too long
 * @number: errno value that comes closest, positive; the function returned its negative
 *
 * What went wrong. Programs decide by @name (tpmid_error_is()), never by @message.
 */
typedef struct tpmid_error
{
  char name[256];
  char message[1024];
  int number;
} tpmid_error;

/**
 * tpmid_error_is:
 * @error: an error that a function of this library filled in
 * @name: what follows "org.tpmid1.Error.", for example "NotFound"
 *
 * Returns: whether @error is this error of tpmidd's
 */
bool tpmid_error_is (const tpmid_error *error, const char *name);

/**
 * tpmid_strv_free:
 * @strings: (transfer full) (nullable): NULL-terminated list of strings from this library
 */
void tpmid_strv_free (char **strings);

/* ---- values ---- */

/**
 * tpmid_value:
 *
 * A value from the bus, or options for a method: a tree whose leaves are numbers, strings and byte strings. D-Bus
 * variants do not show, a variant is its content. It does not change while it is only read, and can then be read by
 * several threads at once.
 */
typedef struct tpmid_value tpmid_value;

typedef enum tpmid_kind
{
  TPMID_KIND_NONE,     /* what tpmid_value_kind() says of NULL */
  TPMID_KIND_BOOLEAN,  /* D-Bus b */
  TPMID_KIND_UNSIGNED, /* D-Bus y, q, u, t */
  TPMID_KIND_SIGNED,   /* D-Bus n, i, x */
  TPMID_KIND_REAL,     /* D-Bus d */
  TPMID_KIND_STRING,   /* D-Bus s, o, g */
  TPMID_KIND_BYTES,    /* D-Bus ay */
  TPMID_KIND_LIST,     /* any other array, and structures */
  TPMID_KIND_DICT      /* D-Bus a{s…} */
} tpmid_kind;

/**
 * tpmid_value_free:
 * @value: (transfer full) (nullable): a value with all that is in it; not one that belongs to another value
 */
void tpmid_value_free (tpmid_value *value);

/** tpmid_value_kind: what @value is; TPMID_KIND_NONE for NULL. Later versions may add kinds. */
tpmid_kind tpmid_value_kind (const tpmid_value *value);

/*
 * The contents. Each function takes any value, also NULL, so that
 * tpmid_value_string (tpmid_value_find (status, "mode")) needs no check on the way: what has no such content is false,
 * 0, the empty string, no bytes.
 */
bool tpmid_value_boolean (const tpmid_value *value);
uint64_t tpmid_value_unsigned (const tpmid_value *value);
int64_t tpmid_value_signed (const tpmid_value *value);
double tpmid_value_real (const tpmid_value *value);

/**
 * tpmid_value_string:
 *
 * Returns: (transfer none): the string, valid as long as @value; "" when it is none; never NULL
 */
const char *tpmid_value_string (const tpmid_value *value);

/**
 * tpmid_value_bytes:
 * @ret_size: (out): number of bytes; 0 when @value is no byte string
 *
 * Returns: (transfer none) (nullable): the bytes, valid as long as @value; may be NULL only when there are none
 */
const uint8_t *tpmid_value_bytes (const tpmid_value *value, size_t *ret_size);

/**
 * tpmid_value_count:
 *
 * Returns: number of elements of a list or dict; 0 for everything else
 */
size_t tpmid_value_count (const tpmid_value *value);

/**
 * tpmid_value_at:
 * @index: 0 to tpmid_value_count() - 1, in the order of the bus message
 * @ret_key: (out) (optional) (transfer none): the element's key in a dict, valid as long as @value; NULL in a list
 *
 * Returns: (transfer none) (nullable): the element, valid as long as @value; NULL where there is none
 */
const tpmid_value *tpmid_value_at (const tpmid_value *value, size_t index, const char **ret_key);

/**
 * tpmid_value_find:
 * @value: (nullable): a dict
 * @key: the key to look for
 *
 * Returns: (transfer none) (nullable): the element, valid as long as @value; NULL where there is none
 */
const tpmid_value *tpmid_value_find (const tpmid_value *value, const char *key);

/**
 * tpmid_value_new_dict:
 *
 * Returns: (transfer full) (nullable): an empty dict, for the options of a method; NULL when out of memory
 */
tpmid_value *tpmid_value_new_dict (void);

/**
 * tpmid_value_set_string:
 * @dict: a dict of tpmid_value_new_dict()
 * @key: the option's name, as the method's documentation has it; copied
 * @string: its value; copied
 *
 * Adds an option of D-Bus type s.
 *
 * Returns: 0; -EINVAL when @dict is none, a string is not UTF-8 or @key is set; -ENOMEM
 */
int tpmid_value_set_string (tpmid_value *dict, const char *key, const char *string);

/**
 * tpmid_value_set_bytes:
 * @data: (array length=size): its value; copied
 * @size: 0 or more bytes
 *
 * Adds an option of D-Bus type ay. As tpmid_value_set_string() otherwise.
 */
int tpmid_value_set_bytes (tpmid_value *dict, const char *key, const void *data, size_t size);

/**
 * tpmid_value_add_string:
 * @string: one more element of the list; copied
 *
 * Adds to an option of D-Bus type as, and makes it at the first time. As tpmid_value_set_string() otherwise; -EINVAL
 * when @key is set to something that is not a list.
 */
int tpmid_value_add_string (tpmid_value *dict, const char *key, const char *string);

/* ---- client ---- */

/** tpmid_client: the way to one bus: private connections, opened by the calls that need them */
typedef struct tpmid_client tpmid_client;

/**
 * tpmid_client_new:
 * @bus_address: (nullable): D-Bus address (D-Bus specification, "Server Addresses"), for example
 *   "unix:path=/run/dbus/system_bus_socket"; NULL for the system bus (which DBUS_SYSTEM_BUS_ADDRESS can name)
 * @ret_client: (out) (transfer full): the client; tpmid_client_free()
 *
 * Connects to nothing yet, so a program can make its client before the bus is there.
 *
 * Returns: 0, -ENOMEM
 */
int tpmid_client_new (const char *bus_address, tpmid_client **ret_client);

/**
 * tpmid_client_free:
 * @client: (transfer full) (nullable): a client; its connections are closed
 */
void tpmid_client_free (tpmid_client *client);

/* ---- the device: org.tpmid1.Device ---- */

/**
 * tpmid_get_status:
 * @ret_status: (out) (transfer full): a dict with the keys that GetStatus documents ("mode", "state", "reason", "hint",
 *   "row", "problems", "version", "serial", "serial-source", and the dicts "key", "ownership", "operation", "paths"
 *   and "tpm"); tpmid_value_free()
 *
 * org.tpmid1.Device.GetStatus: all there is to know, within 50 ms whatever the TPM does.
 *
 * Errors: InvalidArgument
 */
int tpmid_get_status (tpmid_client *client, int timeout_ms, tpmid_value **ret_status, tpmid_error *error);

/**
 * tpmid_get_serial_number:
 * @ret_serial: (out) (transfer full): printable ASCII, 1 to 64 bytes, or "" when there is none
 * @ret_source: (out) (optional) (transfer full): "tpm-nv", "dmi", "device-tree", "file" or "none"
 *
 * org.tpmid1.Device.GetSerialNumber. No serial number is an answer, not an error.
 *
 * Errors: InvalidArgument
 */
int tpmid_get_serial_number (tpmid_client *client, int timeout_ms, char **ret_serial, char **ret_source, tpmid_error *error);

/**
 * tpmid_set_serial_number:
 * @serial: printable ASCII without blanks, 1 to 64 bytes
 *
 * org.tpmid1.Device.SetSerialNumber: writes the serial number, once in the TPM's life. The same again is a success.
 *
 * Errors: InvalidArgument, Exists, NotSupported, HandleTaken, HierarchyAuthRequired, NvFull, TpmUnavailable, Timeout,
 * Busy, NotAuthorized
 */
int tpmid_set_serial_number (tpmid_client *client, const char *serial, int timeout_ms, tpmid_error *error);

/**
 * tpmid_get_certificate:
 * @ret_pem: (out) (transfer full): the device certificate and its chain, leaf first, PEM; "" when there is none
 *
 * Property org.tpmid1.Device.Certificate.
 */
int tpmid_get_certificate (tpmid_client *client, int timeout_ms, char **ret_pem, tpmid_error *error);

/* ---- the device's life: org.tpmid1.Device, for administrators ---- */

/*
 * A method that returns when it is recorded is carried out afterwards; how that goes is the dict "operation" of
 * tpmid_get_status() (property Operation), whose "id" is of that operation alone, and stays over a restart of tpmidd.
 * WrongState says that the device's mode or state does not fit, and which would.
 */

/**
 * tpmid_reset:
 *
 * org.tpmid1.Device.Reset: factory reset. The identity and all keys are lost, the serial number is kept. Returns when it is
 * recorded. Never repeated where the answer is lost.
 *
 * Errors: InvalidArgument, WrongState, NotReady, Storage, Busy, NotAuthorized
 */
int tpmid_reset (tpmid_client *client, int timeout_ms, tpmid_error *error);

/**
 * tpmid_reprovision:
 *
 * org.tpmid1.Device.Reprovision: out of mode "fault" by a new identity; what is replaced is archived. Returns when it is
 * recorded. Never repeated where the answer is lost.
 *
 * Errors: InvalidArgument, WrongState, NotReady, Storage, Busy, NotAuthorized
 */
int tpmid_reprovision (tpmid_client *client, int timeout_ms, tpmid_error *error);

/**
 * tpmid_migrate:
 * @target: "tpm" or "software"
 *
 * org.tpmid1.Device.Migrate: a new key and certificate there; already there is a success. Returns when it is recorded.
 *
 * Errors: InvalidArgument, WrongState, NotSupported, NotReady, Storage, Busy, NotAuthorized
 */
int tpmid_migrate (tpmid_client *client, const char *target, int timeout_ms, tpmid_error *error);

/**
 * tpmid_release_ownership:
 *
 * org.tpmid1.Device.ReleaseOwnership: the passwords that tpmidd set are empty again when it returns. Never repeated where the
 * answer is lost.
 *
 * Errors: InvalidArgument, WrongState (tpmidd does not own the TPM), NotSupported, AuthFailed, HierarchyAuthRequired, NotReady,
 * Storage, TpmUnavailable, TpmLockout, Timeout, Busy, NotAuthorized
 */
int tpmid_release_ownership (tpmid_client *client, int timeout_ms, tpmid_error *error);

/**
 * tpmid_clear_serial_number:
 *
 * org.tpmid1.Device.ClearSerialNumber: removes the serial number from the TPM, so that another can be written. Never repeated
 * where the answer is lost.
 *
 * Errors: InvalidArgument, NotFound (none is there), NotSupported, HandleTaken, HierarchyAuthRequired, NotReady, TpmUnavailable,
 * TpmLockout, Timeout, Busy, NotAuthorized
 */
int tpmid_clear_serial_number (tpmid_client *client, int timeout_ms, tpmid_error *error);

/**
 * tpmid_regenerate_certificate:
 *
 * org.tpmid1.Device.RegenerateCertificate: a new self-signed certificate of the same key. Never repeated where the answer is
 * lost.
 *
 * Errors: InvalidArgument, WrongState, NotReady, Storage, TpmUnavailable, Timeout, Busy, NotAuthorized
 */
int tpmid_regenerate_certificate (tpmid_client *client, int timeout_ms, tpmid_error *error);

/**
 * tpmid_install_certificate:
 * @pem: certificates, leaf first, each signed by the next; at most 65536 bytes
 *
 * org.tpmid1.Device.InstallCertificate: makes them the device certificate and its chain.
 *
 * Errors: InvalidArgument (not decodable), CertificateMismatch (not of the device's key, or no chain), WrongState, NotReady,
 * Storage, Busy, NotAuthorized
 */
int tpmid_install_certificate (tpmid_client *client, const char *pem, int timeout_ms, tpmid_error *error);

/**
 * tpmid_begin_rotation:
 * @ret_key: (out) (transfer full): name of the next key, "device-next"; free()
 *
 * org.tpmid1.Device.BeginRotation: makes the key that tpmid_commit_rotation() makes the device's. Asked again: the same key.
 *
 * Errors: InvalidArgument, WrongState, HierarchyAuthRequired, NotReady, Storage, TpmUnavailable, TpmLockout, Timeout, Busy,
 * NotAuthorized
 */
int tpmid_begin_rotation (tpmid_client *client, int timeout_ms, char **ret_key, tpmid_error *error);

/**
 * tpmid_commit_rotation:
 * @pem: (nullable): certificates of the next key, as for tpmid_install_certificate(); NULL and "" are a self-signed one
 *
 * org.tpmid1.Device.CommitRotation: the next key becomes the device's; the old one is kept for tpmid_rollback_rotation(). Never
 * repeated where the answer is lost.
 *
 * Errors: InvalidArgument, NotFound (no next key), CertificateMismatch, WrongState, HierarchyAuthRequired, NotReady, Storage,
 * TpmUnavailable, TpmLockout, Timeout, Busy, NotAuthorized
 */
int tpmid_commit_rotation (tpmid_client *client, const char *pem, int timeout_ms, tpmid_error *error);

/**
 * tpmid_rollback_rotation:
 *
 * org.tpmid1.Device.RollbackRotation: before the commit drops the next key, after it brings the old one back. Never repeated
 * where the answer is lost.
 *
 * Errors: InvalidArgument, NotFound (nothing to roll back), WrongState, HierarchyAuthRequired, NotReady, Storage,
 * TpmUnavailable, TpmLockout, Timeout, Busy, NotAuthorized
 */
int tpmid_rollback_rotation (tpmid_client *client, int timeout_ms, tpmid_error *error);

/**
 * tpmid_list_handles:
 * @ret_handles: (out) (transfer full): a list of dicts with the keys that ListHandles documents ("handle", "kind", "owner",
 *   "use", "hierarchy", "size", "name"); tpmid_value_free()
 *
 * org.tpmid1.Device.ListHandles: what is in the TPM, and whose.
 *
 * Errors: InvalidArgument, NotSupported (no TPM), NotReady, TpmUnavailable, Timeout, Busy, NotAuthorized
 */
int tpmid_list_handles (tpmid_client *client, int timeout_ms, tpmid_value **ret_handles, tpmid_error *error);

/* ---- keys: org.tpmid1.Keys and org.tpmid1.Key ---- */

/*
 * A key goes by its name, [a-z0-9][a-z0-9._-]{0,63}; the device's own is "device". What is not a key name is refused
 * with InvalidArgument before anything is sent; a key that is not there is NotFound, or NotReady before the boot
 * decision.
 */

/**
 * tpmid_list_keys:
 * @ret_names: (out) (transfer full): the names of all keys, sorted, NULL-terminated; tpmid_strv_free()
 *
 * org.tpmid1.Keys.ListKeys.
 *
 * Errors: InvalidArgument
 */
int tpmid_list_keys (tpmid_client *client, int timeout_ms, char ***ret_names, tpmid_error *error);

/**
 * tpmid_find_key:
 * @reference: (array fixed-size=32): SHA-256 over the DER SubjectPublicKeyInfo (RFC 5280, 4.1)
 * @ret_name: (out) (transfer full): name of the key with this public key
 *
 * org.tpmid1.Keys.FindKey.
 *
 * Errors: NotFound, NotReady
 */
int tpmid_find_key (tpmid_client *client, const uint8_t reference[32], int timeout_ms, char **ret_name, tpmid_error *error);

/**
 * tpmid_get_key:
 * @key: the key's name
 * @ret_properties: (out) (transfer full): a dict with the properties of org.tpmid1.Key under their D-Bus names: "Name",
 *   "Algorithm", "Usage", "State", "Problem", "ProblemError", "Certificate" (strings), "Reference" (32 bytes), "PublicKey" (DER),
 *   "Owner" (uid); tpmid_value_free()
 *
 * All properties of one key (org.freedesktop.DBus.Properties.GetAll).
 *
 * Errors: InvalidArgument, NotFound, NotReady
 */
int tpmid_get_key (tpmid_client *client, const char *key, int timeout_ms, tpmid_value **ret_properties, tpmid_error *error);

/**
 * tpmid_create_key:
 * @name: the new key's name
 * @options: (nullable): a dict: "algorithm" (string: "ecc-p256", the default, "ecc-p384", "rsa-2048"), "usage" (string:
 *   "sign", the default of EC keys, or "decrypt", RSA's only, and its default)
 *
 * org.tpmid1.Keys.CreateKey: starts the making of a key and does not wait for it; a TPM may need a minute, and
 * tpmid_wait_key() waits. The caller's uid owns the key. Called again for the same name, algorithm and usage it is a
 * success, and a key whose making failed is tried again.
 *
 * Errors: InvalidArgument, Exists (another key has the name), QuotaExceeded, NotAuthorized, NotReady, Busy,
 * UnsupportedAlgorithm, TpmUnavailable, Storage, IdentityFault
 */
int tpmid_create_key (tpmid_client *client, const char *name, const tpmid_value *options, int timeout_ms, tpmid_error *error);

/**
 * tpmid_wait_key:
 * @name: the key's name
 *
 * Waits until the key's State is usable, and looks at it every 50 ms to 1 s meanwhile. A daemon that has not made its boot
 * decision is waited for, too. When @timeout_ms has passed the key is still being made, and can be waited for again.
 *
 * Errors: for a key that failed, is missing or orphaned what its ProblemError names (Storage, for example), or, of a tpmidd that
 * has no such property, Failed, IdentityFault and KeyOrphaned; the message has its Problem. NotFound
 */
int tpmid_wait_key (tpmid_client *client, const char *name, int timeout_ms, tpmid_error *error);

/**
 * tpmid_sign:
 * @key: the key's name
 * @digest: (array length=digest_size): the digest to sign
 * @digest_size: exactly what the hash makes: 32, 48 or 64 bytes
 * @options: (nullable): a dict: "hash" (string: "sha256", the default, "sha384", "sha512"), "scheme" (string), "reference"
 *   (32 bytes: refuse unless the key is this one)
 * @ret_signature: (out) (transfer full): the signature; DER ECDSA-Sig-Value (RFC 3279, 2.2.3) for an EC key; free()
 * @ret_size: (out): its size in bytes
 *
 * org.tpmid1.Key.Sign.
 *
 * Errors: InvalidArgument, NotFound, NotReady, NotAuthorized, Busy, Timeout, Cancelled, TpmUnavailable, TpmFailure,
 * TpmLockout, KeyOrphaned, UntrustedResponse, IdentityFault
 */
int tpmid_sign (tpmid_client *client, const char *key, const uint8_t *digest, size_t digest_size, const tpmid_value *options,
                int timeout_ms, uint8_t **ret_signature, size_t *ret_size, tpmid_error *error);

/**
 * tpmid_sign_message:
 * @key: the key's name
 * @message: (array length=message_size): what to sign, hashed by tpmidd
 * @message_size: 0 to 262144 bytes
 * @options: (nullable): as for tpmid_sign()
 * @ret_signature: (out) (transfer full): as for tpmid_sign(); free()
 * @ret_size: (out): its size in bytes
 *
 * org.tpmid1.Key.SignMessage. For more than that, hash and call tpmid_sign().
 *
 * Errors: as tpmid_sign()
 */
int tpmid_sign_message (tpmid_client *client, const char *key, const uint8_t *message, size_t message_size,
                        const tpmid_value *options, int timeout_ms, uint8_t **ret_signature, size_t *ret_size,
                        tpmid_error *error);

/**
 * tpmid_decrypt:
 * @key: the key's name; its usage is decrypt
 * @ciphertext: (array length=ciphertext_size): what was encrypted with the key's public part
 * @ciphertext_size: at most 262144 bytes; with oaep and pkcs1 exactly as many as the RSA modulus has
 * @options: (nullable): a dict: "scheme" (string: "oaep", the default, "pkcs1", or "cms": DER ContentInfo with
 *   EnvelopedData, RFC 5652, or AuthEnvelopedData, RFC 5083); for oaep (RFC 8017, 7.1) "hash" (string: "sha1",
 *   "sha256", the default, "sha384", "sha512"), "mgf1-hash" (string; the same as "hash" otherwise) and "label" (bytes;
 *   none otherwise, and taken as they are)
 * @ret_plaintext: (out) (transfer full): what was encrypted; never NULL; wipe it, and free()
 * @ret_size: (out): its size in bytes, 0 or more
 *
 * org.tpmid1.Key.Decrypt. The library wipes the answer, of which @ret_plaintext is the only copy in this process. Where a call
 * ends without its answer it closes the connection, so that the answer cannot come later; a part of the answer that had come
 * before the rest was given up, or before the connection broke, is freed and not wiped.
 *
 * Errors: DecryptFailed (one error in the same words for whatever is wrong with a ciphertext), InvalidArgument, NotFound,
 * NotReady, NotSupported, NotAuthorized, RateLimited, Busy, Timeout, Cancelled, TpmUnavailable, TpmFailure, TpmLockout,
 * KeyOrphaned, UntrustedResponse, IdentityFault
 *
 * RateLimited is for the scheme pkcs1, and for cms messages whose key is encrypted with PKCS#1 v1.5 or whose content is not
 * authenticated (CBC): after ten DecryptFailed of one uid within an hour, for a time that doubles up to five minutes; the message
 * has the seconds. No other error counts, and a success takes nothing back.
 */
int tpmid_decrypt (tpmid_client *client, const char *key, const uint8_t *ciphertext, size_t ciphertext_size,
                   const tpmid_value *options, int timeout_ms, uint8_t **ret_plaintext, size_t *ret_size, tpmid_error *error);

/**
 * tpmid_create_csr:
 * @key: the key's name
 * @subject: distinguished name, "/CN=…/O=…"; at most 1024 bytes; may be "" when @options name the subject
 * @options: (nullable): a dict: "hash" (string); "dns", "email", "uri", "ip", "eku" (lists of strings)
 * @ret_csr: (out) (transfer full): PKCS #10 CertificationRequest (RFC 2986), DER; free()
 * @ret_size: (out): its size in bytes
 *
 * org.tpmid1.Key.CreateCsr: a certificate signing request, signed by the key.
 *
 * Errors: as tpmid_sign()
 */
int tpmid_create_csr (tpmid_client *client, const char *key, const char *subject, const tpmid_value *options, int timeout_ms,
                      uint8_t **ret_csr, size_t *ret_size, tpmid_error *error);

/* ---- the identity, whichever the mode ---- */

/**
 * tpmid_identity:
 *
 * The device's key and certificate as they were at one instant: mode, key and certificate belong together. It does not follow
 * later changes; a program that hears of one (tpmid_watch) gets it anew.
 */
typedef struct tpmid_identity tpmid_identity;

/**
 * tpmid_get_identity:
 * @client: a client that outlives the identity
 * @ret_identity: (out) (transfer full): the identity; tpmid_identity_free()
 *
 * Who this device is, and by which key, in mode "tpm" and in mode "software" alike. While tpmidd still decides, or makes the
 * key, it waits; an identity that changes while it is read is read again.
 *
 * Errors: IdentityFault (an identity is on record that cannot be used), NotReady (the device has none, and is not about to
 * make one; or not in time), both with tpmidd's hint in the message; InvalidArgument
 */
int tpmid_get_identity (tpmid_client *client, int timeout_ms, tpmid_identity **ret_identity, tpmid_error *error);

/** tpmid_identity_free: @identity: (transfer full) (nullable): an identity; the key itself is not touched */
void tpmid_identity_free (tpmid_identity *identity);

/*
 * What belongs together; (transfer none), valid as long as @identity, never NULL.
 */

/** tpmid_identity_mode: "tpm": the key is in the TPM; "software": it is a file of tpmidd's */
const char *tpmid_identity_mode (const tpmid_identity *identity);

/** tpmid_identity_key: the key's name, for the functions above */
const char *tpmid_identity_key (const tpmid_identity *identity);

/** tpmid_identity_algorithm: the key's algorithm, for example "ecc-p256" */
const char *tpmid_identity_algorithm (const tpmid_identity *identity);

/** tpmid_identity_certificate: the certificate and its chain, leaf first, PEM; its key is this key */
const char *tpmid_identity_certificate (const tpmid_identity *identity);

/** tpmid_identity_reference: (array fixed-size=32): SHA-256 over tpmid_identity_public_key() */
const uint8_t *tpmid_identity_reference (const tpmid_identity *identity);

/** tpmid_identity_public_key: SubjectPublicKeyInfo (RFC 5280, 4.1), DER; @ret_size: (out): its size in bytes, not 0 */
const uint8_t *tpmid_identity_public_key (const tpmid_identity *identity, size_t *ret_size);

/**
 * tpmid_identity_sign:
 * @hash: (nullable): the hash that made the digest: "sha256" (also NULL), "sha384", "sha512"
 * @digest: (array length=digest_size): the digest to sign
 * @digest_size: exactly what the hash makes: 32, 48 or 64 bytes
 * @ret_signature: (out) (transfer full): as tpmid_sign(); free()
 * @ret_size: (out): its size in bytes
 *
 * Signs with this very key: when it has been exchanged meanwhile the error is NotFound, never another key's signature.
 *
 * Errors: as tpmid_sign()
 */
int tpmid_identity_sign (const tpmid_identity *identity, const char *hash, const uint8_t *digest, size_t digest_size,
                         int timeout_ms, uint8_t **ret_signature, size_t *ret_size, tpmid_error *error);

/* ---- watching ---- */

/** tpmid_watch: a stream of property changes, on a connection of its own */
typedef struct tpmid_watch tpmid_watch;

/**
 * tpmid_watch_new:
 * @client: whose bus to watch; not needed any more afterwards
 * @ret_watch: (out) (transfer full): the watch; tpmid_watch_free()
 *
 * From the return on no change is missed: ask for the status after it. Neither needs nor starts tpmidd.
 */
int tpmid_watch_new (tpmid_client *client, int timeout_ms, tpmid_watch **ret_watch, tpmid_error *error);

/** tpmid_watch_free: @watch: (transfer full) (nullable): a watch; its connection is closed */
void tpmid_watch_free (tpmid_watch *watch);

/**
 * tpmid_watch_fd:
 *
 * Returns: a descriptor for poll(): when POLLIN is set call tpmid_watch_next() with @timeout_ms 0 until it returns 0.
 *   It belongs to the watch.
 */
int tpmid_watch_fd (tpmid_watch *watch);

/**
 * tpmid_watch_next:
 * @timeout_ms: how long to wait; 0 only takes what is there
 * @ret_change: (out) (transfer full): a dict, in one of two forms: "object" (path), "interface", "changed" (dict of
 *   property name and new value), "invalidated" (list of property names whose value is to be asked for); or "running"
 *   (boolean): tpmidd came to the bus or left it, so that everything is to be asked for anew
 *
 * Waits for the next change that tpmidd (and nobody else) announced.
 *
 * Returns: 1 with a change; 0 when the time has passed; negative on failure, after which the watch is of no more use
 */
int tpmid_watch_next (tpmid_watch *watch, int timeout_ms, tpmid_value **ret_change, tpmid_error *error);

#ifdef __cplusplus
}
#endif
