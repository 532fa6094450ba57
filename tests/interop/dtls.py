"""DTLS 1.2 on the system's OpenSSL, without sockets: a Session takes datagrams in and gives datagrams out.

A Context is made of pre-shared keys, of a certificate, or of both; what a peer's certificate is verified by is the file `ca`.
"""

import ctypes
import ctypes.util

_crypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
_ssl = ctypes.CDLL(ctypes.util.find_library("ssl"))

_POINTER, _INT, _LONG, _TEXT, _SIZE = ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p, ctypes.c_size_t
_CLIENT_KEY = ctypes.CFUNCTYPE(ctypes.c_uint, _POINTER, _POINTER, _POINTER, ctypes.c_uint, _POINTER, ctypes.c_uint)
_SERVER_KEY = ctypes.CFUNCTYPE(ctypes.c_uint, _POINTER, _TEXT, _POINTER, ctypes.c_uint)


def _declare(library, name, result, *arguments):
    function = getattr(library, name)
    function.restype, function.argtypes = result, list(arguments)
    return function


_BIO_s_mem = _declare(_crypto, "BIO_s_mem", _POINTER)
_BIO_new = _declare(_crypto, "BIO_new", _POINTER, _POINTER)
_BIO_read = _declare(_crypto, "BIO_read", _INT, _POINTER, _POINTER, _INT)
_BIO_write = _declare(_crypto, "BIO_write", _INT, _POINTER, _TEXT, _INT)
_BIO_ctrl = _declare(_crypto, "BIO_ctrl", _LONG, _POINTER, _INT, _LONG, _POINTER)
_BIO_ctrl_pending = _declare(_crypto, "BIO_ctrl_pending", _SIZE, _POINTER)
_ERR_clear_error = _declare(_crypto, "ERR_clear_error", None)
_ERR_peek_error = _declare(_crypto, "ERR_peek_error", ctypes.c_ulong)
_ERR_reason = _declare(_crypto, "ERR_reason_error_string", _TEXT, ctypes.c_ulong)
_DTLS_method = _declare(_ssl, "DTLS_method", _POINTER)
_CTX_new = _declare(_ssl, "SSL_CTX_new", _POINTER, _POINTER)
_CTX_free = _declare(_ssl, "SSL_CTX_free", None, _POINTER)
_CTX_ctrl = _declare(_ssl, "SSL_CTX_ctrl", _LONG, _POINTER, _INT, _LONG, _POINTER)
_CTX_ciphers = _declare(_ssl, "SSL_CTX_set_cipher_list", _INT, _POINTER, _TEXT)
_CTX_certificate = _declare(_ssl, "SSL_CTX_use_certificate_chain_file", _INT, _POINTER, _TEXT)
_CTX_key = _declare(_ssl, "SSL_CTX_use_PrivateKey_file", _INT, _POINTER, _TEXT, _INT)
_CTX_ca = _declare(_ssl, "SSL_CTX_load_verify_locations", _INT, _POINTER, _TEXT, _TEXT)
_CTX_verify = _declare(_ssl, "SSL_CTX_set_verify", None, _POINTER, _INT, _POINTER)
_CTX_client_key = _declare(_ssl, "SSL_CTX_set_psk_client_callback", None, _POINTER, _CLIENT_KEY)
_CTX_server_key = _declare(_ssl, "SSL_CTX_set_psk_server_callback", None, _POINTER, _SERVER_KEY)
_CTX_options = _declare(_ssl, "SSL_CTX_set_options", ctypes.c_uint64, _POINTER, ctypes.c_uint64)
_new = _declare(_ssl, "SSL_new", _POINTER, _POINTER)
_free = _declare(_ssl, "SSL_free", None, _POINTER)
_set_bio = _declare(_ssl, "SSL_set_bio", None, _POINTER, _POINTER, _POINTER)
_connect_state = _declare(_ssl, "SSL_set_connect_state", None, _POINTER)
_accept_state = _declare(_ssl, "SSL_set_accept_state", None, _POINTER)
_handshake = _declare(_ssl, "SSL_do_handshake", _INT, _POINTER)
_read = _declare(_ssl, "SSL_read", _INT, _POINTER, _POINTER, _INT)
_write = _declare(_ssl, "SSL_write", _INT, _POINTER, _TEXT, _INT)
_get_error = _declare(_ssl, "SSL_get_error", _INT, _POINTER, _INT)
_shutdown = _declare(_ssl, "SSL_shutdown", _INT, _POINTER)
_ctrl = _declare(_ssl, "SSL_ctrl", _LONG, _POINTER, _INT, _LONG, _POINTER)
_cipher = _declare(_ssl, "SSL_get_current_cipher", _POINTER, _POINTER)
_cipher_name = _declare(_ssl, "SSL_CIPHER_get_name", _TEXT, _POINTER)

_DTLS1_2, _PEM, _VERIFY_PEER, _VERIFY_REQUIRED = 0xFEFD, 1, 1, 2
_SET_MTU, _SET_MIN_VERSION, _GET_TIMEOUT, _HANDLE_TIMEOUT, _SET_HOSTNAME = 17, 123, 73, 74, 55
_MEM_EOF_RETURN = 130
_NO_QUERY_MTU = 1 << 12
_WANT_READ, _WANT_WRITE, _ZERO_RETURN = 2, 3, 6
_RECORD_HEAD, _DATAGRAM = 13, 1 << 16
PSK_CIPHERS = "PSK-AES128-CCM8:PSK-AES128-GCM-SHA256"
CERTIFICATE_CIPHERS = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-CCM8"


class Context:
    """`keys`: the identities and keys that a server knows; a client shows the first. `verify`: the peer must show a certificate."""

    def __init__(self, keys=None, certificate=None, key=None, ca=None, verify=False, ciphers=None):
        self.pointer = _CTX_new(_DTLS_method())
        self.keys = dict(keys or {})
        _CTX_ctrl(self.pointer, _SET_MIN_VERSION, _DTLS1_2, None)
        _CTX_options(self.pointer, _NO_QUERY_MTU)
        names = ciphers or ":".join(([PSK_CIPHERS] if keys else []) + ([CERTIFICATE_CIPHERS] if certificate or ca else []))
        self._need(_CTX_ciphers(self.pointer, (names + ":@SECLEVEL=0").encode()))
        self.callbacks = (_CLIENT_KEY(self._show), _SERVER_KEY(self._find))  # OpenSSL keeps only their addresses
        if keys:
            _CTX_client_key(self.pointer, self.callbacks[0])
            _CTX_server_key(self.pointer, self.callbacks[1])
        if certificate:
            self._need(_CTX_certificate(self.pointer, str(certificate).encode()))
            self._need(_CTX_key(self.pointer, str(key).encode(), _PEM))
        if ca:
            self._need(_CTX_ca(self.pointer, str(ca).encode(), None))
        _CTX_verify(self.pointer, _VERIFY_PEER | _VERIFY_REQUIRED if verify else 0, None)

    @staticmethod
    def _need(result):
        if result != 1:
            raise ValueError((_ERR_reason(_ERR_peek_error()) or b"no reason").decode())

    def _show(self, _ssl_pointer, _hint, identity, identity_room, key, key_room):
        name, value = next(iter(self.keys.items()))
        name = name.encode() + b"\0"
        if len(name) > identity_room or len(value) > key_room:
            return 0
        ctypes.memmove(identity, name, len(name))
        ctypes.memmove(key, value, len(value))
        return len(value)

    def _find(self, _ssl_pointer, identity, key, room):
        value = self.keys.get((identity or b"").decode(), b"")
        if not value or len(value) > room:
            return 0
        ctypes.memmove(key, value, len(value))
        return len(value)

    def __del__(self):
        _CTX_free(self.pointer)


class Failed(Exception):
    """A handshake or a session failed; the text is OpenSSL's."""


class Session:
    """`out` has the datagrams that are to be sent. A session is `open` once its handshake is done and `closed` when the peer said so."""

    def __init__(self, context, server=False, mtu=1280, name=None):
        self.context, self.mtu = context, mtu
        self.ssl = _new(context.pointer)
        self.incoming, self.outgoing = _BIO_new(_BIO_s_mem()), _BIO_new(_BIO_s_mem())
        for bio in (self.incoming, self.outgoing):
            _BIO_ctrl(bio, _MEM_EOF_RETURN, -1, None)
        _set_bio(self.ssl, self.incoming, self.outgoing)
        _ctrl(self.ssl, _SET_MTU, mtu, None)
        if name:
            _ctrl(self.ssl, _SET_HOSTNAME, 0, ctypes.cast(ctypes.c_char_p(name.encode()), _POINTER))
        (_accept_state if server else _connect_state)(self.ssl)
        self.buffer = ctypes.create_string_buffer(_DATAGRAM)
        self.out, self.open, self.closed = [], False, False
        if not server:
            self._step()

    def __del__(self):
        _free(self.ssl)

    @property
    def cipher(self):
        return _cipher_name(_cipher(self.ssl)).decode()

    def feed(self, datagram):
        """Takes a datagram; returns the messages that it brought."""
        _BIO_write(self.incoming, datagram, len(datagram))
        if not self.open:
            self._step()
        messages = []
        while self.open and not self.closed:
            count = self._call(_read, self.buffer, _DATAGRAM)
            if count <= 0:
                break
            messages.append(self.buffer.raw[:count])
        self._collect()
        return messages

    def send(self, message):
        """Puts the record of a message into `out`."""
        if self._call(_write, message, len(message)) != len(message):
            raise Failed("the message cannot be sent")
        self._collect()

    def close(self):
        """Puts the close_notify into `out`."""
        _shutdown(self.ssl)
        self._collect()

    def handle_timeout(self):
        """The flight that was not answered in time is sent again."""
        if self._call(_ctrl, _HANDLE_TIMEOUT, 0, None) < 0:
            raise Failed("no answer")
        self._collect()

    def patience(self):
        """Seconds until handle_timeout() is due, or None."""
        left = (_LONG * 2)()
        if _ctrl(self.ssl, _GET_TIMEOUT, 0, ctypes.cast(left, _POINTER)) != 1:
            return None
        return left[0] + left[1] / 1e6

    def take(self):
        out, self.out = self.out, []
        return out

    def _step(self):
        try:
            self.open = self._call(_handshake) == 1
        finally:
            self._collect()

    def _call(self, function, *arguments):
        """What the function returns; 0 or less if it has to wait or the peer has closed."""
        _ERR_clear_error()
        result = function(self.ssl, *arguments)
        if result > 0 or function is _ctrl:
            return result
        error = _get_error(self.ssl, result)
        if error == _ZERO_RETURN:
            self.closed = True
        elif error not in (_WANT_READ, _WANT_WRITE):
            self._collect()  # the alert
            raise Failed((_ERR_reason(_ERR_peek_error()) or b"no reason").decode())
        return result

    def _collect(self):
        """What OpenSSL has written, as datagrams: as many whole records together as the MTU lets."""
        count = _BIO_ctrl_pending(self.outgoing)
        if count == 0:
            return
        room = ctypes.create_string_buffer(count)
        count = _BIO_read(self.outgoing, room, count)
        data = room.raw[:count]
        datagram = b""
        while data:
            length = _RECORD_HEAD + int.from_bytes(data[11:13], "big")
            if datagram and len(datagram) + length > self.mtu:
                self.out.append(datagram)
                datagram = b""
            datagram, data = datagram + data[:length], data[length:]
        self.out.append(datagram)
