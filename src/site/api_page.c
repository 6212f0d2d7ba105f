// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* docs/api.md: the API for people, from the table of routes and the shapes. */
#include "http/problem.h"
#include "site/api.h"
#include "site/shape.h"

#include <string.h>

static void print_link(const char *before, const char *shape, FILE *to)
{
    if (shape == NULL)
        return;
    fprintf(to, "%s[%s](#", before, shape);
    for (const char *c = shape; *c != '\0'; c++)
        fputc(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c, to);
    fputc(')', to);
}

static const char *who_may(int privilege)
{
    static const char *const words[] = { "look", "approve", "act" };
    return words[privilege];
}

static void print_routes(FILE *to)
{
    fputs("\n## Routes\n\n"
          "| | | | may | body | answer |\n|---|---|---|---|---|---|\n",
          to);
    for (unsigned i = 0; i < site_api_n_routes; i++) {
        const struct gw_http_route *r = &site_api_routes[i];
        fprintf(to, "| %s | `%s", r->method, r->path + strlen("/api/v1"));
        if (r->query != NULL)
            fprintf(to, "` <br> `?%s", r->query);
        fprintf(to, "` | %s | %s |", r->summary, who_may(r->privilege));
        print_link(" ", r->request, to);
        fputs((r->flags & GW_HTTP_RAW) != 0 ? " a plan file" : "", to);
        fputs((r->flags & GW_HTTP_KEYED) != 0 ? ", key" : "", to);
        fputs((r->flags & GW_HTTP_MATCHED) != 0 ? ", If-Match" : "", to);
        fputs(" |", to);
        bool stream = (r->flags & GW_HTTP_STREAM) != 0;
        fputs(stream ? " text/event-stream" : "", to);
        fputs(stream && r->response != NULL ? ", or" : "", to);
        print_link(" ", r->response, to);
        fputs(" |\n", to);
    }
}

static const char introduction[] =
    "# The API\n\n"
    "`/api/v1` on the unix socket of godwitd, JSON. This page is made from the tables that the\n"
    "program itself serves by (`godwitd --dump-api`); the same as an OpenAPI 3 document is served\n"
    "at `/api/v1/openapi.json`.\n\n"
    "**Who.** The user of the connecting process decides. Root and the user of godwitd may do\n"
    "everything; whom `api_group` of the site file lets in may look, and approve. Root names the\n"
    "person for whom it speaks with `by`; anybody else speaks for himself.\n\n"
    "**Bodies** are objects with the members below; a member that is not there, of another type "
    "or\n"
    "too long is refused with 400, and the sentence names it. At most 1 MiB.\n\n"
    "**Idempotency-Key** (*key*): the same request with the same key again gets the answer of the\n"
    "first time, with `Idempotent-Replay: true`, and does nothing. The same key with another\n"
    "request: 422. A refusal is not remembered. Keys are kept for a day, each user's apart.\n\n"
    "**ETag, If-Match** on plans: the entity tag is the hash of the document. An edit with an\n"
    "If-Match that is not it is refused with 412.\n\n"
    "**Refusals** are problem documents (RFC 9457), `application/problem+json`: `type`\n"
    "(`urn:godwit:problem:NAME`, stable), `title`, `status`, `detail` (the sentence), `code` (an\n"
    "errno name). A guard that refuses an action is 409 `guard` with `guard`, `forceable` and\n"
    "`way_out`; a plan file with errors is 422 `plan-file` with all of them in `errors`.\n"
    "`outcome-unknown` (504) says that it is not known whether it was done: look before "
    "deciding.\n\n"
    "**Events** are server-sent events; each has the number of the event as its id, and\n"
    "`Last-Event-ID` goes on behind it without a gap.\n";

void site_api_print(FILE *to)
{
    fputs(introduction, to);
    print_routes(to);
    fputs("\n## Shapes\n", to);
    for (size_t i = 0; i < site_n_shapes; i++) {
        const struct site_shape *s = &site_shapes[i];
        fprintf(to, "\n### %s\n\n", s->name);
        if (s->about != NULL)
            fprintf(to, "%s\n\n", s->about);
        if (s->words[0] == '\0')
            continue;
        fputs("| member | type | |\n|---|---|---|\n", to);
        site_shape_print(s, to);
    }
}
