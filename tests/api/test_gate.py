"""The front door, byte by byte: request bytes -> status, problem, connection kept or closed.

@ stands for the host and port of the instance, § for the port, ¶ for CR LF, ® for an @.
"""

import time

import pytest
from lib import metrics, raw
from lib.door import REPLY, ask, kept, refused
from lib.process import wait_until

BAD = "malformed-request"
ELSEWHERE = "misdirected-request"
TOP = "GET /health/live HTTP/1.1¶Host: @¶"
POST = "POST /v1/patients HTTP/1.1¶Host: @¶Content-Type: application/json¶"

# name: (request, problem). The reply is one, and the connection is closed.
REFUSED = {
    # ---- line ends and characters
    "bare LF after the first line": ("GET /health/live HTTP/1.1\nHost: @¶¶", BAD),
    "bare LF after a field": (TOP + "X-A: b\nX-B: c¶¶", BAD),
    "bare LF ends the block": (TOP + "X-A: b¶\n", BAD),
    "two bare LF": ("GET /health/live HTTP/1.1\nHost: @\n\n", BAD),
    "bare CR in the first line": ("GET /health/live\rHTTP/1.1¶Host: @¶¶", BAD),
    "bare CR in a field": (TOP + "X-A: b\rX-B: c¶¶", BAD),
    "CR CR LF": (TOP + "X-A: b\r\r\n¶", BAD),
    "LF CR": (TOP + "X-A: b\n\rX-B: c¶¶", BAD),
    "bare CR at the end": (TOP + "X-A: b¶\r\r\n", BAD),
    "NUL in the method": ("G\0T / HTTP/1.1¶Host: @¶¶", BAD),
    "NUL in the target": ("GET /health/\0live HTTP/1.1¶Host: @¶¶", BAD),
    "NUL in a name": (TOP + "X\0A: b¶¶", BAD),
    "NUL in a value": (TOP + "X-A: b\0c¶¶", BAD),
    "NUL ends a value": (TOP + "X-A: b\0¶¶", BAD),
    "SOH in a value": (TOP + "X-A: b\x01c¶¶", BAD),
    "backspace in a value": (TOP + "X-A: b\x08c¶¶", BAD),
    "vertical tab in a value": (TOP + "X-A: b\x0bc¶¶", BAD),
    "form feed in a value": (TOP + "X-A: b\x0cc¶¶", BAD),
    "escape in a value": (TOP + "X-A: b\x1b[0m¶¶", BAD),
    "delete in a value": (TOP + "X-A: b\x7fc¶¶", BAD),
    "folded with a space": (TOP + "X-A: b¶ c¶¶", BAD),
    "folded with a tab": (TOP + "X-A: b¶\tc: d¶¶", BAD),
    "first field folded": ("GET /health/live HTTP/1.1¶ Host: @¶¶", BAD),
    "only white space on a line": (TOP + "X-A: b¶ ¶¶", BAD),
    # ---- the first line
    "no version": ("GET /health/live¶Host: @¶¶", BAD),
    "no target": ("GET HTTP/1.1¶Host: @¶¶", BAD),
    "only a method": ("GET ¶Host: @¶¶", BAD),
    "two spaces after the method": ("GET  /health/live HTTP/1.1¶Host: @¶¶", BAD),
    "two spaces before the version": ("GET /health/live  HTTP/1.1¶Host: @¶¶", BAD),
    "a space at the end": ("GET /health/live HTTP/1.1 ¶Host: @¶¶", BAD),
    "a word too many": ("GET /health/live HTTP/1.1 x¶Host: @¶¶", BAD),
    "tabs for spaces": ("GET\t/health/live\tHTTP/1.1¶Host: @¶¶", BAD),
    "a space before the method": (" GET /health/live HTTP/1.1¶Host: @¶¶", BAD),
    "an empty line first": ("¶" + TOP + "¶", BAD),
    "only an empty line": ("¶¶", BAD),
    "a reply": ("HTTP/1.1 200 OK¶¶", BAD),
    "a TLS hello": ("\x16\x03\x01\x02\0¶¶", BAD),
    "four NULs": ("\0\0\0\0¶¶", BAD),
    "a method in brackets": ("[GET] /health/live HTTP/1.1¶Host: @¶¶", BAD),
    "a method beyond ASCII": ("G\xc9T /health/live HTTP/1.1¶Host: @¶¶", BAD),
    # ---- methods
    "lower case": ("get /health/live HTTP/1.1¶Host: @¶¶", "not-implemented"),
    "mixed case": ("Get /health/live HTTP/1.1¶Host: @¶¶", "not-implemented"),
    "TRACE": ("TRACE /health/live HTTP/1.1¶Host: @¶¶", "not-implemented"),
    "CONNECT": ("CONNECT @ HTTP/1.1¶Host: @¶¶", "not-implemented"),
    "PROPFIND": ("PROPFIND / HTTP/1.1¶Host: @¶¶", "not-implemented"),
    "GETX": ("GETX / HTTP/1.1¶Host: @¶¶", "not-implemented"),
    "a method of 32 bytes": ("X" * 32 + " / HTTP/1.1¶Host: @¶¶", "not-implemented"),
    "a method of 33 bytes": ("X" * 33 + " / HTTP/1.1¶Host: @¶¶", "not-implemented"),
    "a method without end": ("A" * 20_000, "not-implemented"),
    "PUT of HTTP/1.0": ("PUT / HTTP/1.0¶Host: @¶¶", "not-implemented"),
    "DELETE of HTTP/1.0": ("DELETE / HTTP/1.0¶Host: @¶¶", "not-implemented"),
    # ---- versions
    "lower-case version": ("GET /health/live http/1.1¶Host: @¶¶", BAD),
    "version without digits": ("GET /health/live HTTP/¶Host: @¶¶", BAD),
    "version of one digit": ("GET /health/live HTTP/1¶Host: @¶¶", BAD),
    "version of three digits": ("GET /health/live HTTP/1.1.1¶Host: @¶¶", BAD),
    "version with a zero": ("GET /health/live HTTP/01.1¶Host: @¶¶", BAD),
    "version of two minor digits": ("GET /health/live HTTP/1.10¶Host: @¶¶", BAD),
    "another protocol": ("GET /health/live HTTPS/1.1¶Host: @¶¶", BAD),
    "HTTP/0.9": ("GET /health/live HTTP/0.9¶Host: @¶¶", "version-not-supported"),
    "HTTP/1.2": ("GET /health/live HTTP/1.2¶Host: @¶¶", "version-not-supported"),
    "HTTP/2.0": ("GET /health/live HTTP/2.0¶Host: @¶¶", "version-not-supported"),
    "HTTP/9.9": ("GET /health/live HTTP/9.9¶Host: @¶¶", "version-not-supported"),
    "the preface of HTTP/2": ("PRI * HTTP/2.0¶¶SM¶¶", "version-not-supported"),
    # ---- targets
    "authority-form": ("GET @ HTTP/1.1¶Host: @¶¶", BAD),
    "no slash": ("GET health/live HTTP/1.1¶Host: @¶¶", BAD),
    "asterisk with GET": ("GET * HTTP/1.1¶Host: @¶¶", BAD),
    "asterisk and more": ("OPTIONS *x HTTP/1.1¶Host: @¶¶", BAD),
    "a fragment": ("GET /health/live#x HTTP/1.1¶Host: @¶¶", BAD),
    "a backslash": ("GET /health\\live HTTP/1.1¶Host: @¶¶", BAD),
    "a quote": ('GET /health/"live HTTP/1.1¶Host: @¶¶', BAD),
    "a less-than": ("GET /health/<live HTTP/1.1¶Host: @¶¶", BAD),
    "a brace": ("GET /health/{live HTTP/1.1¶Host: @¶¶", BAD),
    "a caret": ("GET /health/^live HTTP/1.1¶Host: @¶¶", BAD),
    "a bar in the query": ("GET /health/live?a|b HTTP/1.1¶Host: @¶¶", BAD),
    "a fragment after the query": ("GET /health/live?a#b HTTP/1.1¶Host: @¶¶", BAD),
    "UTF-8 in the path": ("GET /health/l\xc3\xadve HTTP/1.1¶Host: @¶¶", BAD),
    "UTF-8 in the query": ("GET /health/live?\xc3\xad HTTP/1.1¶Host: @¶¶", BAD),
    "absolute, user": ("GET https://me®@/health/live HTTP/1.1¶Host: @¶¶", BAD),
    "absolute, no host": ("GET https:///health/live HTTP/1.1¶Host: @¶¶", BAD),
    "absolute, bad port": ("GET https://localhost:x/ HTTP/1.1¶Host: @¶¶", BAD),
    "absolute, other scheme": ("GET http://@/health/live HTTP/1.1¶Host: @¶¶", ELSEWHERE),
    "absolute, ftp": ("GET ftp://@/health/live HTTP/1.1¶Host: @¶¶", ELSEWHERE),
    "absolute, other host": (
        "GET https://evil.example/health/live HTTP/1.1¶Host: @¶¶", ELSEWHERE,
    ),
    "absolute, both others": (
        "GET https://evil.example/ HTTP/1.1¶Host: evil.example¶¶", ELSEWHERE,
    ),
    "absolute, Host is another": ("GET https://@/health/live HTTP/1.1¶Host: evil.example¶¶", BAD),
    "absolute, no Host": ("GET https://@/health/live HTTP/1.1¶X: @¶¶", BAD),
    "2,000 bytes": ("GET /" + "a" * 1999 + " HTTP/1.1¶Host: @¶¶", "uri-too-long"),
    "2,000 bytes of query": ("GET /?" + "a" * 1998 + " HTTP/1.1¶Host: @¶¶", "uri-too-long"),
    "a target of 10,000 bytes": ("GET /" + "a" * 10_000 + " HTTP/1.1¶Host: @¶¶", "uri-too-long"),
    "a target without end": ("GET /" + "a" * 16_379, "uri-too-long"),
    # ---- paths
    "a percent sign": ("GET /health/live% HTTP/1.1¶Host: @¶¶", BAD),
    "half an escape": ("GET /health/live%2 HTTP/1.1¶Host: @¶¶", BAD),
    "no escape": ("GET /health/live%zz HTTP/1.1¶Host: @¶¶", BAD),
    "signed escape": ("GET /health/live%+1 HTTP/1.1¶Host: @¶¶", BAD),
    "an escape cut by the query": ("GET /health/live%2?5 HTTP/1.1¶Host: @¶¶", BAD),
    "%00": ("GET /health/live%00 HTTP/1.1¶Host: @¶¶", BAD),
    "%0a": ("GET /health/live%0a HTTP/1.1¶Host: @¶¶", BAD),
    "%0d": ("GET /health/live%0D HTTP/1.1¶Host: @¶¶", BAD),
    "%7f": ("GET /health/live%7f HTTP/1.1¶Host: @¶¶", BAD),
    "%2f": ("GET /health%2flive HTTP/1.1¶Host: @¶¶", BAD),
    "%2F": ("GET /health%2Flive HTTP/1.1¶Host: @¶¶", BAD),
    "%5c": ("GET /health%5clive HTTP/1.1¶Host: @¶¶", BAD),
    "dot": ("GET /./health/live HTTP/1.1¶Host: @¶¶", BAD),
    "dot at the end": ("GET /health/. HTTP/1.1¶Host: @¶¶", BAD),
    "dots": ("GET /x/../health/live HTTP/1.1¶Host: @¶¶", BAD),
    "dots at the end": ("GET /health/live/.. HTTP/1.1¶Host: @¶¶", BAD),
    "dots first": ("GET /../health/live HTTP/1.1¶Host: @¶¶", BAD),
    "encoded dots": ("GET /%2e%2e/health/live HTTP/1.1¶Host: @¶¶", BAD),
    "half encoded dots": ("GET /x/.%2E/health/live HTTP/1.1¶Host: @¶¶", BAD),
    "an encoded dot": ("GET /%2e/health/live HTTP/1.1¶Host: @¶¶", BAD),
    "dots in an absolute target": ("GET https://@/../health/live HTTP/1.1¶Host: @¶¶", BAD),
    "overlong slash": ("GET /health%c0%aflive HTTP/1.1¶Host: @¶¶", BAD),
    "lone continuation byte": ("GET /health/live%80 HTTP/1.1¶Host: @¶¶", BAD),
    "a surrogate": ("GET /health/live%ed%a0%80 HTTP/1.1¶Host: @¶¶", BAD),
    "half a character": ("GET /health/live%c3 HTTP/1.1¶Host: @¶¶", BAD),
    # ---- Host
    "no Host": ("GET /health/live HTTP/1.1¶X-A: b¶¶", BAD),
    "no field at all": ("GET /health/live HTTP/1.1¶¶", BAD),
    "no Host in HTTP/1.0": ("GET /health/live HTTP/1.0¶¶", BAD),
    "only Hostage": ("GET /health/live HTTP/1.1¶Hostage: @¶¶", BAD),
    "only Host-X": ("GET /health/live HTTP/1.1¶Host-X: @¶¶", BAD),
    "two hosts": (TOP + "Host: evil.example¶¶", BAD),
    "Host twice": (TOP + "Host: @¶¶", BAD),
    "HOST twice": (TOP + "HOST: @¶¶", BAD),
    "empty Host": ("GET /health/live HTTP/1.1¶Host:¶¶", BAD),
    "only a port": ("GET /health/live HTTP/1.1¶Host: :8443¶¶", BAD),
    "a list of hosts": ("GET /health/live HTTP/1.1¶Host: @, @¶¶", BAD),
    "a space in Host": ("GET /health/live HTTP/1.1¶Host: local host¶¶", BAD),
    "a path in Host": ("GET /health/live HTTP/1.1¶Host: @/x¶¶", BAD),
    "a user in Host": ("GET /health/live HTTP/1.1¶Host: me®@¶¶", BAD),
    "a scheme in Host": ("GET /health/live HTTP/1.1¶Host: https://@¶¶", BAD),
    "port of words": ("GET /health/live HTTP/1.1¶Host: localhost:x¶¶", BAD),
    "port 0": ("GET /health/live HTTP/1.1¶Host: localhost:0¶¶", BAD),
    "port 65536": ("GET /health/live HTTP/1.1¶Host: localhost:65536¶¶", BAD),
    "two ports": ("GET /health/live HTTP/1.1¶Host: localhost:1:2¶¶", BAD),
    "signed port": ("GET /health/live HTTP/1.1¶Host: localhost:+8443¶¶", BAD),
    "open bracket": ("GET /health/live HTTP/1.1¶Host: [::1¶¶", BAD),
    "no address in brackets": ("GET /health/live HTTP/1.1¶Host: [localhost]¶¶", BAD),
    "IPv4 in brackets": ("GET /health/live HTTP/1.1¶Host: [127.0.0.1]¶¶", BAD),
    "IPv6 without brackets": ("GET /health/live HTTP/1.1¶Host: ::1¶¶", BAD),
    "IPv6 with a zone": ("GET /health/live HTTP/1.1¶Host: [::1%25lo]:1¶¶", BAD),
    "something behind brackets": ("GET /health/live HTTP/1.1¶Host: [::1]x¶¶", BAD),
    "bad escape in Host": ("GET /health/live HTTP/1.1¶Host: a%zz¶¶", BAD),
    "a name of 254 bytes": ("GET /health/live HTTP/1.1¶Host: " + "a" * 254 + "¶¶", BAD),
    "another host": ("GET /health/live HTTP/1.1¶Host: evil.example¶¶", ELSEWHERE),
    "another port": ("GET /health/live HTTP/1.1¶Host: localhost:1¶¶", ELSEWHERE),
    "no port": ("GET /health/live HTTP/1.1¶Host: localhost¶¶", ELSEWHERE),
    "a dot at its end": ("GET /health/live HTTP/1.1¶Host: localhost.:§¶¶", ELSEWHERE),
    "a longer name": ("GET /health/live HTTP/1.1¶Host: x.@¶¶", ELSEWHERE),
    # ---- fields
    "no colon": (TOP + "nonsense¶¶", BAD),
    "empty name": (TOP + ": x¶¶", BAD),
    "space in a name": (TOP + "X A: b¶¶", BAD),
    "space before the colon": (TOP + "X-A : b¶¶", BAD),
    "tab before the colon": (TOP + "X-A\t: b¶¶", BAD),
    "a quote in a name": (TOP + 'X"A: b¶¶', BAD),
    "UTF-8 in a name": (TOP + "X-\xc3\xad: b¶¶", BAD),
    "101 fields": (TOP + "".join(f"X-{n}: y¶" for n in range(100)) + "¶", "headers-too-large"),
    "1,000 fields": (TOP + "X: y¶" * 1000 + "¶", "headers-too-large"),
    "a field without end": (TOP + "X-A: " + "b" * 16_384, "headers-too-large"),
    "17 KiB of fields": (TOP + ("X-A: " + "b" * 1000 + "¶") * 17 + "¶", "headers-too-large"),
    # ---- framing
    "length twice": (POST + "Content-Length: 2¶Content-Length: 2¶¶{}", BAD),
    "two lengths": (POST + "Content-Length: 2¶Content-Length: 3¶¶{} ", BAD),
    "plus sign": (POST + "Content-Length: +2¶¶{}", BAD),
    "minus sign": (POST + "Content-Length: -2¶¶{}", BAD),
    "padded behind": (POST + "Content-Length: 2 ¶¶{}", BAD),
    "padded with a tab": (POST + "Content-Length: 2\t¶¶{}", BAD),
    "space between digits": (POST + "Content-Length: 1 2¶¶{}          ", BAD),
    "empty length": (POST + "Content-Length:¶¶{}", BAD),
    "length of words": (POST + "Content-Length: two¶¶{}", BAD),
    "length list": (POST + "Content-Length: 2, 2¶¶{}", BAD),
    "hexadecimal length": (POST + "Content-Length: 0x2¶¶{}", BAD),
    "exponent": (POST + "Content-Length: 2e0¶¶{}", BAD),
    "fraction": (POST + "Content-Length: 2.0¶¶{}", BAD),
    "quoted length": (POST + 'Content-Length: "2"¶¶{}', BAD),
    "twenty digits": (POST + "Content-Length: 00000000000000000002¶¶{}", BAD),
    "length, then chunked": (POST + "Content-Length: 2¶Transfer-Encoding: chunked¶¶0¶¶", BAD),
    "chunked, then length": (POST + "Transfer-Encoding: chunked¶Content-Length: 2¶¶0¶¶", BAD),
    "length and identity": (POST + "Content-Length: 2¶Transfer-Encoding: identity¶¶{}", BAD),
    "length 0 and chunked": (POST + "Content-Length: 0¶Transfer-Encoding: chunked¶¶0¶¶", BAD),
    "length and an empty coding": (POST + "Content-Length: 2¶Transfer-Encoding:¶¶{}", BAD),
    "chunked": (POST + "Transfer-Encoding: chunked¶¶2¶{}¶0¶¶", "length-required"),
    "CHUNKED": (POST + "Transfer-Encoding: CHUNKED¶¶2¶{}¶0¶¶", "length-required"),
    "gzip, chunked": (POST + "Transfer-Encoding: gzip, chunked¶¶0¶¶", "not-implemented"),
    "x, chunked on two lines": (
        POST + "Transfer-Encoding: x¶Transfer-Encoding: chunked¶¶0¶¶", "not-implemented",
    ),
    "gzip alone": (POST + "Transfer-Encoding: gzip¶¶{}", BAD),
    "identity": (POST + "Transfer-Encoding: identity¶¶{}", BAD),
    "chunked is not last": (POST + "Transfer-Encoding: chunked, gzip¶¶0¶¶", BAD),
    "chunked twice": (POST + "Transfer-Encoding: chunked, chunked¶¶0¶¶", BAD),
    "chunked on two lines": (
        POST + "Transfer-Encoding: chunked¶Transfer-Encoding: chunked¶¶0¶¶", BAD,
    ),
    "an empty coding": (POST + "Transfer-Encoding:¶¶{}", BAD),
    "a parameter": (POST + "Transfer-Encoding: chunked;q=1¶¶0¶¶", BAD),
    "a quoted coding": (POST + 'Transfer-Encoding: "chunked"¶¶0¶¶', BAD),
    "xchunked": (POST + "Transfer-Encoding: xchunked¶¶0¶¶", BAD),
    "space before the colon of a coding": (POST + "Transfer-Encoding : chunked¶¶0¶¶", BAD),
    "chunked GET": (TOP + "Transfer-Encoding: chunked¶¶0¶¶", BAD),
    "chunked DELETE": (
        "DELETE /v1/me HTTP/1.1¶Host: @¶Transfer-Encoding: chunked¶¶0¶¶", "length-required",
    ),
    "chunked HTTP/1.0": ("POST / HTTP/1.0¶Host: @¶Transfer-Encoding: chunked¶¶0¶¶", BAD),
    "GET with a body": (TOP + "Content-Length: 2¶¶{}", BAD),
    "OPTIONS with a body": ("OPTIONS / HTTP/1.1¶Host: @¶Content-Length: 2¶¶{}", BAD),
    "POST without a length": (POST + "¶{}", "length-required"),
    "PUT without a length": ("PUT / HTTP/1.1¶Host: @¶¶", "length-required"),
    "PATCH without a length": ("PATCH / HTTP/1.1¶Host: @¶¶", "length-required"),
    "POST of HTTP/1.0 without a length": ("POST / HTTP/1.0¶Host: @¶¶", "length-required"),
    "one byte too many": (POST + "Content-Length: 2¶¶{}!", BAD),
    "a request behind the body": (POST + "Content-Length: 2¶¶{}" + TOP + "¶", BAD),
    # ---- sizes of bodies, by the row
    "a patient of 64 KiB and one": (POST + "Content-Length: 65537¶¶", "content-too-large"),
    "a log-in of 4 KiB and one": (
        "POST /v1/auth/login HTTP/1.1¶Host: @¶Content-Length: 4097¶¶", "content-too-large",
    ),
    "an encoded log-in of 4 KiB and one": (
        "POST /v1/auth/%6cogin HTTP/1.1¶Host: @¶Content-Length: 4097¶¶", "content-too-large",
    ),
    "nothing there": (
        "POST /nowhere HTTP/1.1¶Host: @¶Content-Length: 4097¶¶", "content-too-large",
    ),
    "50 GB": (POST + "Content-Length: 50000000000¶¶", "content-too-large"),
    "nineteen nines": (POST + "Content-Length: 9999999999999999999¶¶", "content-too-large"),
    "50 GB, expecting": (
        POST + "Content-Length: 50000000000¶Expect: 100-continue¶¶", "content-too-large",
    ),
    # ---- expectations
    "another expectation": (POST + "Content-Length: 2¶Expect: 200-ok¶¶{}", "expectation-failed"),
    "two expectations": (
        POST + "Content-Length: 2¶Expect: 100-continue, x¶¶{}", "expectation-failed",
    ),
    "an empty expectation": (POST + "Content-Length: 2¶Expect:¶¶{}", "expectation-failed"),
    "an expectation of GET": (TOP + "Expect: something¶¶", "expectation-failed"),
}  # fmt: skip

# name: (request, status). The reply is one, and the next request is answered too.
KEPT = {
    "plain": (TOP + "¶", 200),
    "no space after the colon": ("GET /health/live HTTP/1.1¶Host:@¶¶", 200),
    "white space around Host": ("GET /health/live HTTP/1.1¶Host: \t @ \t¶¶", 200),
    "host in capitals": ("GET /health/live HTTP/1.1¶hOST: @¶¶", 200),
    "a name in capitals": ("GET /health/live HTTP/1.1¶Host: LOCALHOST:§¶¶", 200),
    "a port with zeros": ("GET /health/live HTTP/1.1¶Host: localhost:0§¶¶", 200),
    "Hostage before Host": ("GET /health/live HTTP/1.1¶Hostage: x¶Host: @¶¶", 200),
    "empty value": (TOP + "X-A:¶¶", 200),
    "value of white space": (TOP + "X-A: \t ¶¶", 200),
    "tab in a value": (TOP + "X-A: b\tc¶¶", 200),
    "UTF-8 in a value": (TOP + "X-A: \xc3\xad¶¶", 200),
    "obs-text in a value": (TOP + "X-A: \xff\x80¶¶", 200),
    "odd but legal name": (TOP + "X!#$%&'*+-.^_`|~A: b¶¶", 200),
    "100 fields": (TOP + "".join(f"X-{n}: y¶" for n in range(99)) + "¶", 200),
    "16 KiB": (TOP + "X-A: " + "b" * 16_000 + "¶¶", 200),
    "absolute target": ("GET https://@/health/live HTTP/1.1¶Host: @¶¶", 200),
    "absolute in capitals": ("GET HTTPS://LOCALHOST:§/health/live HTTP/1.1¶Host: @¶¶", 200),
    "absolute without a path": ("OPTIONS https://@ HTTP/1.1¶Host: @¶¶", 204),
    "absolute with only a query": ("OPTIONS https://@?a=b HTTP/1.1¶Host: @¶¶", 204),
    "OPTIONS of all": ("OPTIONS * HTTP/1.1¶Host: @¶¶", 204),
    "OPTIONS of one": ("OPTIONS /health/live HTTP/1.1¶Host: @¶¶", 204),
    "HEAD": ("HEAD /nowhere HTTP/1.1¶Host: @¶¶", 404),
    "an escaped letter": ("GET /health/%6cive HTTP/1.1¶Host: @¶¶", 200),
    "decoded once only": ("GET /health/%256cive HTTP/1.1¶Host: @¶¶", 404),
    "dots decoded once only": ("GET /health/%252e%252e/live HTTP/1.1¶Host: @¶¶", 404),
    "an escaped question mark": ("GET /health/live%3fa HTTP/1.1¶Host: @¶¶", 404),
    "an escaped space": ("GET /health/live%20 HTTP/1.1¶Host: @¶¶", 404),
    "UTF-8, escaped": ("GET /health/l%c3%adve HTTP/1.1¶Host: @¶¶", 404),
    "three dots": ("GET /health/... HTTP/1.1¶Host: @¶¶", 404),
    "a file with a dot": ("GET /.env HTTP/1.1¶Host: @¶¶", 404),
    "two slashes": ("GET //health/live HTTP/1.1¶Host: @¶¶", 404),
    "a semicolon": ("GET /health/live;x HTTP/1.1¶Host: @¶¶", 404),
    "1,999 bytes": ("GET /" + "a" * 1998 + " HTTP/1.1¶Host: @¶¶", 404),
    "length 0 of GET": (TOP + "Content-Length: 0¶¶", 200),
    "length 000 of GET": (TOP + "Content-Length: 000¶¶", 200),
    "POST with a length": (POST + "Content-Length: 2¶¶{}", 401),
    "POST with length 0": (POST + "Content-Length: 0¶¶", 401),
    "leading zeros": (POST + "Content-Length: 0002¶¶{}", 401),
    "space before the length": (POST + "Content-Length:   2¶¶{}", 401),
    "DELETE without a length": ("DELETE /v1/me HTTP/1.1¶Host: @¶¶", 405),
    "DELETE with a body": ("DELETE /v1/me HTTP/1.1¶Host: @¶Content-Length: 2¶¶{}", 405),
    "a patient of 64 KiB": (POST + "Content-Length: 65536¶¶" + "x" * 65_536, 401),
    "expectation of a GET": (TOP + "Expect: 100-continue¶¶", 200),
    "expectation in capitals, body at hand": (
        POST + "Content-Length: 2¶Expect: 100-CONTINUE¶¶{}", 401,
    ),
}  # fmt: skip

# name: (request, status). The reply is one and complete, and says that it is the last.
LAST = {
    "asked for": (TOP + "Connection: close¶¶", 200),
    "asked for in capitals": (TOP + "Connection: CLOSE¶¶", 200),
    "asked for behind another option": (TOP + "TE: trailers¶Connection: TE, close¶¶", 200),
    "asked for before another option": (TOP + "Connection: close,TE¶¶", 200),
    "asked for in a second field": (TOP + "Connection: TE¶Connection: close¶¶", 200),
    "HTTP/1.0": ("GET /health/live HTTP/1.0¶Host: @¶¶", 200),
    "HTTP/1.0 keep-alive": ("GET /health/live HTTP/1.0¶Host: @¶Connection: keep-alive¶¶", 200),
    "HTTP/1.0 POST": ("POST /v1/patients HTTP/1.0¶Host: @¶Content-Length: 2¶¶{}", 401),
    "HTTP/1.0 expectation": (
        "POST /v1/patients HTTP/1.0¶Host: @¶Content-Length: 2¶Expect: 100-continue¶¶{}",
        401,
    ),
    "two requests at once": (TOP + "¶" + TOP + "¶", 200),
    "a request and half of one": (TOP + "¶GET /hea", 200),
    "a request and rubbish": (TOP + "¶\0\1\2", 200),
    "ten requests at once": ((TOP + "¶") * 10, 200),
    "a request behind length 0": (POST + "Content-Length: 0¶¶" + TOP + "¶", 401),
    "a request behind DELETE": ("DELETE /v1/me HTTP/1.1¶Host: @¶¶" + TOP + "¶", 405),
    "an expectation of nothing there": (
        "POST /nowhere HTTP/1.1¶Host: @¶Content-Length: 2¶Expect: 100-continue¶¶",
        404,
    ),
    "an expectation of another method": (
        "PUT /v1/patients HTTP/1.1¶Host: @¶Content-Length: 2¶Expect: 100-continue¶¶",
        405,
    ),
}


def wire(instance, text: str) -> bytes:
    host, port = instance.address
    data = text.replace("@", f"{host}:{port}").replace("®", "@").replace("§", str(port))
    return data.replace("¶", "\r\n").encode("latin-1")


def test_the_matrix_is_large():
    assert len(REFUSED) + len(KEPT) + len(LAST) >= 220


@pytest.mark.parametrize("name", REFUSED)
def test_refused(instance, name):
    text, slug = REFUSED[name]
    answer = refused(instance, slug, wire(instance, text))
    assert b"evil" not in answer.said


@pytest.mark.parametrize("name", KEPT)
def test_kept(instance, name):
    text, status = KEPT[name]
    answer, after = kept(instance, wire(instance, text))
    assert answer.statuses == [status], answer.said[:300]
    assert after == 200


@pytest.mark.parametrize("name", LAST)
def test_last(instance, name):
    text, status = LAST[name]
    answer = ask(instance, wire(instance, text))
    assert answer.statuses == [status], answer.said[:600]
    assert answer.headers[b"connection"] == b"close"
    assert len(answer.body) == int(answer.headers[b"content-length"])
    assert answer.closed


@pytest.mark.parametrize(
    ("lines", "slug"),
    [
        ("HEAD /nowhere HTTP/1.1¶Host: evil.example¶¶", ELSEWHERE),
        ("HEAD /health/live HTTP/1.1¶¶", BAD),
        ("HEAD /health/live HTTP/1.1¶Host: @¶Content-Length: 2¶¶{}", BAD),
        ("HEAD /health/live HTTP/1.1¶Host: @¶X-A: b\0¶¶", BAD),
        ("HEAD /" + "a" * 3000, "uri-too-long"),
        ("HEAD /health/live HTTP/1.1¶Host: @¶Expect: x¶¶", "expectation-failed"),
    ],
)
def test_a_refusal_of_head_has_no_body(instance, lines, slug):
    refused(instance, slug, wire(instance, lines), head=True)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:§", "[::1]:§", "[0:0:0:0:0:0:0:1]:§", "[0::0.0.0.1]:§", "localhost:§"]
)
def test_names_of_this_machine(instance, host):
    """Over a connection that was made by address: TLS names no host then."""
    data = wire(instance, f"GET /health/live HTTP/1.1¶Host: {host}¶¶")
    with raw.connection(instance, name="127.0.0.1") as tls:
        tls.sendall(data)
        assert raw.status(raw.receive(tls)) == 200


def test_host_is_the_one_that_tls_was_told(instance):
    refused(
        instance, ELSEWHERE,
        wire(instance, "GET /health/live HTTP/1.1¶Host: 127.0.0.1:§¶¶"),
    )  # fmt: skip


# ---- in pieces ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bare CR at the end", "CR CR LF", "length twice", "%2f",
                                  "101 fields", "folded with a tab", "another host"])  # fmt: skip
def test_refused_byte_by_byte(instance, name):
    """The verdict does not depend on how the bytes come."""
    text, slug = REFUSED[name]
    data = wire(instance, text)
    refused(instance, slug, *(data[i : i + 1] for i in range(len(data))))


def test_taken_byte_by_byte(instance):
    data = wire(instance, POST + "Content-Length: 2¶¶{}")
    with raw.connection(instance) as tls:
        for _ in range(2):
            for i in range(len(data)):
                tls.sendall(data[i : i + 1])
            assert raw.status(raw.receive(tls)) == 401


def test_wrong_bytes_are_not_waited_on(instance):
    """Refused as soon as they are wrong, however much is still to come."""
    refused(instance, BAD, b"\x16")
    refused(instance, BAD, b"GET /health/live HTTP/1.1\r\nHost: x\r\n X")
    refused(instance, "not-implemented", b"A" * 33)
    refused(instance, "uri-too-long", b"GET /" + b"a" * 2100)


# ---- 100 Continue ------------------------------------------------------------------------


def test_a_client_that_waits_is_told_to_go_on_once(instance):
    top = wire(instance, POST + "Content-Length: 4¶Expect: 100-continue¶¶")
    with raw.connection(instance) as tls:
        for _ in range(2):
            tls.sendall(top)
            assert tls.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
            tls.sendall(b"{  ")
            tls.settimeout(0.3)
            with pytest.raises(TimeoutError):
                tls.recv(1)
            tls.settimeout(4)
            tls.sendall(b"}")
            assert raw.status(raw.receive(tls)) == 401


@pytest.mark.parametrize("name", ["50 GB, expecting", "two expectations"])
def test_nobody_is_told_to_go_on_in_vain(instance, name):
    text, slug = REFUSED[name]
    answer = refused(instance, slug, wire(instance, text))
    assert 100 not in answer.statuses


# ---- connections -------------------------------------------------------------------------


def test_a_request_that_comes_while_another_is_served(instance):
    """Read after the first reply, though no event tells that it is there."""
    top = raw.head(instance, "GET", "/health/ready")
    for _ in range(10):
        with raw.connection(instance, 4) as tls:
            tls.sendall(top)
            tls.sendall(top)  # a TLS record of its own: another read
            said = b""
            while len(REPLY.findall(said)) < 2 or not raw.complete(said.rpartition(b"HTTP/1.1")[2]):
                said += tls.recv(65536)
        assert [int(status) for status in REPLY.findall(said)] == [200, 200]


@pytest.mark.parametrize("size", [100_000, 2_000_000])
def test_the_reply_is_not_lost_to_a_reset(instance, size):
    """The client sends all of a body that is too large before it reads, and nothing breaks."""
    top = wire(instance, POST + f"Content-Length: {size}¶¶")
    for _ in range(5):
        with raw.connection(instance) as tls:
            for piece in (top, b"x" * (size // 2), b"x" * (size // 2)):
                tls.sendall(piece)
                time.sleep(0.02)
            said = b""
            while piece := tls.recv(65536):
                said += piece
        assert raw.status(said) == 413
        assert raw.complete(said)


def test_a_refused_body_may_go_on_coming(instance):
    """What is on its way is taken and dropped for a moment: no reset meets it."""
    with raw.connection(instance, 4) as tls:
        tls.sendall(wire(instance, POST + "Content-Length: 2000000¶¶"))
        for _ in range(20):
            time.sleep(0.03)
            tls.sendall(b"x" * 16_000)
        said = raw.receive(tls)
        assert raw.status(said) == 413
        assert tls.recv(1) == b""


def test_two_of_a_kind_are_two_requests(instance):
    """Each refusal has an id of its own, and none is a copy of the last."""
    data = wire(instance, "GET /.. HTTP/1.1¶Host: @¶¶")
    ids = {refused(instance, BAD, data).headers[b"x-request-id"] for _ in range(3)}
    assert len(ids) == 3


NAME = "eleusis_refused_total"


def test_a_refusal_is_counted_and_logged(instance, anonymous):
    before = metrics.value(metrics.scrape(anonymous), NAME, reason="host-other")
    offset = instance.log_size()
    data = wire(instance, REFUSED["another host"][0])
    answer = refused(instance, ELSEWHERE, data)
    wait_until(
        lambda: metrics.value(metrics.scrape(anonymous), NAME, reason="host-other") == before + 1,
        2, "the count",
    )  # fmt: skip
    request = answer.headers[b"x-request-id"].decode()
    line = next(x for x in instance.log_lines(offset) if x.get("http.request.id") == request)
    assert line["http.response.status_code"] == 421
    assert line["error.type"] == "misdirected-request"
    assert line["error.message"] == "host-other"
    assert line["client.ip"] in ("127.0.0.1", "::1")
