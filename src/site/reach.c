// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/reach.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool site_address_is_any(const char *address)
{
    return strncmp(address, "0.0.0.0:", 8) == 0 || strncmp(address, "[::]:", 5) == 0;
}

void site_address_with_host(const char *host_of, const char *port_of, char ret[GW_PAIR_ADDRESS_MAX])
{
    const char *host_end = strrchr(host_of, ':'), *port = strrchr(port_of, ':');
    int host_len = host_end != NULL ? (int)(host_end - host_of) : (int)strlen(host_of);
    snprintf(ret, GW_PAIR_ADDRESS_MAX, "%.*s%s", host_len, host_of, port != NULL ? port : "");
}

static void choose(const char *said, const char *advertised, const char *bound,
                   char ret[GW_PAIR_ADDRESS_MAX])
{
    const char *best = "";
    if (said != NULL && said[0] != '\0')
        best = said;
    else if (advertised != NULL)
        best = advertised;
    else if (!site_address_is_any(bound))
        best = bound;
    snprintf(ret, GW_PAIR_ADDRESS_MAX, "%s", best);
}

void site_reach(const struct site *s, const char *link, const char *data,
                struct site_mate_address *ret)
{
    choose(link, s->file->advertise.link, gw_link_address(s->link), ret->link);
    choose(data, s->file->advertise.data, gw_dataport_address(s->data), ret->data);
    /* Who told one of them only has one machine for both. */
    if (ret->data[0] == '\0' && ret->link[0] != '\0')
        site_address_with_host(ret->link, gw_dataport_address(s->data), ret->data);
}

int site_reach_known(const struct site *s, const char *link, const char *data,
                     struct site_mate_address *ret, struct gw_error *err)
{
    site_reach(s, link, data, ret);
    if (ret->link[0] != '\0' && ret->data[0] != '\0')
        return 0;
    return gw_error_set(err, -EINVAL,
                        "this site listens on every address (%s), which tells the other one "
                        "nothing: say where it reaches us, godwit site pair ... --link HOST:PORT, "
                        "or advertise: {link: HOST:PORT, data: HOST:PORT} in the site file",
                        gw_link_address(s->link));
}
