/*
 * mail_template.c, mail_address.c, mail_encode.c, mail_message.c, mail_mbox.c,
 * mail_backoff.c: what goes over the wire, to the byte, and what must not get
 * into it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mail/mail_priv.h"

static struct arena *arena;

static const struct mail_sender sender = { "Eleusis", "no-reply@e.example",
	"e.example" };

/* 2026-01-31T23:59:59Z */
#define NOW INT64_C(1769903999000000)

static int
setup(void **state UNUSED)
{
	arena = arena_new();
	return (0);
}

static int
teardown(void **state UNUSED)
{
	arena_destroy(&arena);
	return (0);
}

static const char *
message(const struct mail_sender *from, struct mail *m)
{
	struct buf b;

	uuid_parse("0198c5de-0000-7000-8000-000000000001", &m->id);
	buf_init(&b, arena, 16);
	return (
	    mail_message(arena, from, m, NOW, &b) == RES_OK ? b.data : NULL);
}

static void
a_plain_mail(void **state UNUSED)
{
	struct mail m = { .to = "ada@x.example",
		.subject = "Hello",
		.text = "One.\n\nTwo." };

	assert_string_equal(message(&sender, &m),
	    "Date: Sat, 31 Jan 2026 23:59:59 +0000\r\n"
	    "From: \"Eleusis\" <no-reply@e.example>\r\n"
	    "To: <ada@x.example>\r\n"
	    "Subject: Hello\r\n"
	    "Message-ID: <0198c5de-0000-7000-8000-000000000001@e.example>\r\n"
	    "Auto-Submitted: auto-generated\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: 7bit\r\n"
	    "\r\n"
	    "One.\r\n\r\nTwo.\r\n");
}

static void
text_past_ascii_is_encoded(void **state UNUSED)
{
	const struct mail_sender from = { "Élysée", "a@e.example",
		"e.example" };
	struct mail m = { .to = "ada@x.example",
		.subject = "Grüße = ?",
		.text = "Grüße = gut \nEnde" };
	const char *text = message(&from, &m);

	assert_non_null(
	    strstr(text, "From: =?UTF-8?Q?=C3=89lys=C3=A9e?= <a@e.example>"));
	assert_non_null(
	    strstr(text, "Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe_=3D_=3F?=\r\n"));
	assert_non_null(
	    strstr(text, "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
			 "Gr=C3=BC=C3=9Fe =3D gut\r\nEnde\r\n"));
}

static void
quotes_in_a_display_name(void **state UNUSED)
{
	const struct mail_sender from = { "The \"Old\" \\ House", "a@e.example",
		"e.example" };
	struct mail m = { .to = "a@x.example", .subject = "s", .text = "t" };

	assert_non_null(strstr(message(&from, &m),
	    "From: \"The \\\"Old\\\" \\\\ House\" <a@e.example>\r\n"));
}

/* Each line of 76 at most; words are whole characters (RFC 2047, 5). */
static void
long_subjects_are_folded(void **state UNUSED)
{
	char subject[401] = "";
	const char *line;
	struct buf b;
	size_t n;

	for (int i = 0; i < 100; i++)
		strcat(subject, "äß");
	buf_init(&b, arena, 16);
	mail_encode_header(&b, subject, strlen("Subject: "));
	for (line = b.data; *line != '\0'; line += n + (line[n] != '\0') * 2) {
		n = strcspn(line, "\r");
		assert_in_range(n + (line == b.data) * 9, 13, 76);
		assert_int_equal(
		    strncmp(line + (line != b.data), "=?UTF-8?Q?", 10), 0);
		assert_int_equal(strncmp(line + n - 2, "?=", 2), 0);
		assert_int_equal((n - (line != b.data) - 12) % 6, 0);
	}
}

static void
what_looks_encoded_is_encoded(void **state UNUSED)
{
	struct buf b;

	buf_init(&b, arena, 16);
	mail_encode_header(&b, "=?UTF-8?Q?x?=", 9);
	assert_string_equal(b.data, "=?UTF-8?Q?=3D=3FUTF=2D8=3FQ=3Fx=3F=3D?=");
}

static void
long_lines_of_a_body_are_soft(void **state UNUSED)
{
	char text[301];
	struct buf b;

	memset(text, '=', 300);
	text[300] = '\0';
	buf_init(&b, arena, 16);
	mail_encode_body(&b, text);
	assert_int_equal(strspn(b.data, "=3D"), 76);
	assert_int_equal(strncmp(b.data + 75, "=\r\n=3D", 6), 0);
	/* 25 a line: 12 lines, 11 ends. */
	assert_int_equal(b.len, 900 + 11 * 3);
}

static void
paragraphs_are_wrapped_and_links_are_not(void **state UNUSED)
{
	char link[200] = "https://e.example/reset#token=", text[600];
	const char *wrapped;

	memset(link + strlen(link), 'x', 120);
	(void)snprintf(text, sizeof(text),
	    "%s of words that go on and on, and further than a line.\n\n%s",
	    "A long line", link);
	strcat(text, "\n\nEnd");
	wrapped = mail_wrap(arena, text);
	assert_non_null(strstr(wrapped, link));
	assert_string_equal(
	    mail_wrap(arena, "aaaaaaaaa bbbbbbbbb ccccccccc ddddddddd "
			     "eeeeeeeee fffffffff ggggggggg hhhhhhhhh"),
	    "aaaaaaaaa bbbbbbbbb ccccccccc ddddddddd eeeeeeeee fffffffff "
	    "ggggggggg\nhhhhhhhhh\n");
	assert_string_equal(mail_wrap(arena, "a\n\nb\n"), "a\n\nb\n");
}

/* Whatever would end a header line, or add a recipient, is refused. */
static void
headers_cannot_be_injected(void **state UNUSED)
{
	static const char *const addresses[] = { "a@x.example\r\nBcc: b@x",
		"a@x.example\nBcc: b@x", "a@x.example>,<b@x.example",
		"a@x.example,b@x.example", "a b@x.example", "a@x .example",
		"<a@x.example>", "\"a\"@x.example", "a@[127.0.0.1]", "a@", "@x",
		"a", "", "a@x..example", ".a@x.example", "a.@x.example",
		"a@x.example.", "a@b@x.example", "-f@x.example",
		"a(c)@x.example", "a\x7f@x.example", "\xff@x.example",
		"a\t@x.example", "a@x.example;b" };
	static const char *const good[] = { "a@x.example", "a.b+c@x.example",
		"o'brien_1@sub.x.example", "ädä@bücher.example", "a@localhost",
		"UPPER@X.EXAMPLE" };
	struct mail m = { .to = "a@x.example", .subject = "s", .text = "t" };
	struct mail_sender bad = sender;

	for (size_t i = 0; i < NELEM(addresses); i++) {
		m.to = addresses[i];
		if (mail_address_valid(m.to) || message(&sender, &m) != NULL)
			fail_msg("taken: %s", m.to);
	}
	for (size_t i = 0; i < NELEM(good); i++)
		if (!mail_address_valid(good[i]))
			fail_msg("refused: %s", good[i]);
	m.to = "a@x.example";
	m.subject = "s\r\nBcc: b@x.example";
	assert_null(message(&sender, &m));
	m.subject = "s";
	bad.name = "E\r\nBcc: b@x.example";
	assert_null(message(&bad, &m));
	bad = sender;
	bad.host = "e\n";
	assert_null(message(&bad, &m));
}

static void
address_lengths(void **state UNUSED)
{
	char a[400];

	memset(a, 'a', sizeof(a));
	memcpy(a + 64, "@x.example", 11);
	assert_true(mail_address_valid(a));
	memset(a, 'a', sizeof(a));
	memcpy(a + 65, "@x.example", 11);
	assert_false(mail_address_valid(a));
	memset(a, 'a', sizeof(a));
	a[1] = '@';
	a[254] = '\0';
	assert_true(mail_address_valid(a));
	a[254] = 'a';
	a[255] = '\0';
	assert_false(mail_address_valid(a));
}

static void
every_template_is_filled(void **state UNUSED)
{
	static const char *const values[] = { "name", "N", "link", "https://l",
		"hours", "1", "minutes", "2", "role", "R", "when", "W",
		"network", "NW", "device", "D", "factor", "F", "who", "WH",
		"until", "U", "what", "WT", NULL };
	const char *missing;

	for (enum mail_kind k = MAIL_UNSET + 1; k < MAIL_MAX; k++) {
		struct mail m = { .kind = k };

		assert_int_equal(mail_kind_parse(mail_kind_name(k)), k);
		assert_int_equal(
		    mail_fill(arena, "SVC", values, &m, &missing), RES_OK);
		assert_null(strpbrk(m.subject, "{}\n"));
		assert_null(strpbrk(m.text, "{}"));
		assert_non_null(strstr(m.text, "SVC"));
		assert_true(mail_kind_is_link(k) ==
			    (k == MAIL_INVITATION || k == MAIL_PASSWORD_RESET ||
				k == MAIL_TEST));
	}
	assert_int_equal(mail_kind_parse("nothing"), MAIL_UNSET);
}

static void
a_value_stays_on_its_line(void **state UNUSED)
{
	static const char *const values[] = { "name",
		"Eve\r\nBcc: x@x\n\nBuy {link}", "factor", "a\x01 b\x7f",
		"when", "W", NULL };
	struct mail m = { .kind = MAIL_FACTOR_ADDED };
	const char *missing = NULL;

	assert_int_equal(mail_fill(arena, "SVC", values, &m, &missing), RES_OK);
	assert_non_null(strstr(m.text, "Hello Eve  Bcc: x@x  Buy {link},\n\n"));
	assert_non_null(strstr(m.text, "log in: a  b .\n"));
	m.kind = MAIL_INVITATION;
	assert_int_equal(
	    mail_fill(arena, "SVC", values, &m, &missing), RES_ERR);
	assert_string_equal(missing, "role");
}

static void
mbox_lines(void **state UNUSED)
{
	struct buf in, out;

	buf_init(&in, arena, 16);
	buf_puts(&in, "To: <a@x>\r\n\r\nFrom here\r\n>From there\r\nFro\r\n");
	buf_init(&out, arena, 16);
	mail_mbox(&out, &in, "s@e", NOW);
	assert_string_equal(out.data,
	    "From s@e Sat Jan 31 23:59:59 2026\nTo: <a@x>\n\n>From here\n"
	    ">>From there\nFro\n\n");
}

static void
times_for_people(void **state UNUSED)
{
	assert_string_equal(
	    mail_when(arena, NOW), "31 January 2026, 23:59 UTC");
	assert_string_equal(
	    mail_when(arena, INT64_C(0)), "1 January 1970, 00:00 UTC");
}

static void
waits_grow_to_an_hour(void **state UNUSED)
{
	static const double waits[] = { 15, 30, 60, 120, 240, 480, 960, 1920,
		3600, 3600 };

	for (int i = 0; i < (int)NELEM(waits); i++) {
		assert_float_equal(
		    mail_backoff(i + 1, 15, 0.5), waits[i], 0.001);
		assert_float_equal(
		    mail_backoff(i + 1, 15, 0), waits[i] * 0.75, 0.001);
		assert_float_equal(
		    mail_backoff(i + 1, 15, 1), waits[i] * 1.25, 0.001);
	}
	assert_float_equal(mail_backoff(INT32_MAX, 1, 0.5), 3600, 0.001);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_mail),
		cmocka_unit_test(text_past_ascii_is_encoded),
		cmocka_unit_test(quotes_in_a_display_name),
		cmocka_unit_test(long_subjects_are_folded),
		cmocka_unit_test(what_looks_encoded_is_encoded),
		cmocka_unit_test(long_lines_of_a_body_are_soft),
		cmocka_unit_test(paragraphs_are_wrapped_and_links_are_not),
		cmocka_unit_test(headers_cannot_be_injected),
		cmocka_unit_test(address_lengths),
		cmocka_unit_test(every_template_is_filled),
		cmocka_unit_test(a_value_stays_on_its_line),
		cmocka_unit_test(mbox_lines),
		cmocka_unit_test(times_for_people),
		cmocka_unit_test(waits_grow_to_an_hour),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
