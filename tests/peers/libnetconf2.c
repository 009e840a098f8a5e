/* A NETCONF server on libnetconf2 2.0, for the tests: server YANGDIR HOSTKEY PORT [HOME]. Everybody is admin/admin.
   With HOME it calls home at that port too, and again when the connection is gone. */
#include <nc_server.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t ended;
static const char *key_file;
static struct nc_pollsession *sessions;

static void end(int number) { (void)number; ended = 1; }

static int host_key(const char *name, void *user, char **path, char **data, NC_SSH_KEY_TYPE *type) {
    (void)name; (void)user; (void)data; (void)type;
    *path = strdup(key_file);
    return 0;
}

static int password(const struct nc_session *session, const char *given, void *user) {
    (void)user;
    return strcmp(nc_session_get_username(session), "admin") || strcmp(given, "admin");
}

/* get and get-config hold nothing; all else is well. */
static struct nc_server_reply *answer(struct lyd_node *rpc, struct nc_session *session) {
    (void)session;
    if (strcmp(LYD_NAME(rpc), "get") && strcmp(LYD_NAME(rpc), "get-config")) return nc_server_reply_ok();
    struct lyd_node *output = NULL, *data = NULL;
    lyd_dup_single(rpc, NULL, 0, &output);
    lyd_new_any(output, NULL, "data", NULL, 1, LYD_ANYDATA_STRING, 1, &data);
    return nc_server_reply_data(output, NC_WD_EXPLICIT, NC_PARAMTYPE_FREE);
}

static int called(const char *client, struct nc_session *session) {
    (void)client;
    return nc_ps_add_session(sessions, session);
}

/* Call home, without end. */
static int call(int port) {
    nc_server_ch_add_client("home");
    nc_server_ch_client_add_endpt("home", "one", NC_TI_LIBSSH);
    nc_server_ch_client_endpt_set_address("home", "one", "127.0.0.1");
    nc_server_ch_client_endpt_set_port("home", "one", port);
    nc_server_ssh_ch_client_endpt_add_hostkey("home", "one", "key", -1);
    nc_server_ssh_ch_client_endpt_set_auth_methods("home", "one", NC_SSH_AUTH_PASSWORD);
    nc_server_ch_client_set_conn_type("home", NC_CH_PERSIST);
    return nc_connect_ch_client_dispatch("home", called);
}

int main(int count, char **words) {
    if (count != 4 && count != 5) return 2;
    key_file = words[2];
    signal(SIGTERM, end);
    struct ly_ctx *context = NULL;
    const char *features[] = {"candidate", "writable-running", "startup", "validate", "xpath", NULL};
    if (ly_ctx_new(words[1], 0, &context) || !ly_ctx_load_module(context, "ietf-netconf", NULL, features)) return 3;
    ly_ctx_load_module(context, "ietf-netconf-monitoring", NULL, NULL);
    if (nc_server_init(context)) return 4;
    nc_set_global_rpc_clb(answer);
    nc_server_ssh_set_hostkey_clb(host_key, NULL, NULL);
    nc_server_ssh_set_passwd_auth_clb(password, NULL, NULL);
    nc_server_add_endpt("main", NC_TI_LIBSSH);
    nc_server_ssh_endpt_add_hostkey("main", "key", -1);
    nc_server_ssh_endpt_set_auth_methods("main", NC_SSH_AUTH_PASSWORD);
    nc_server_endpt_set_address("main", "127.0.0.1");
    if (nc_server_endpt_set_port("main", atoi(words[3]))) return 5;
    fprintf(stderr, "listening on port %s\n", words[3]);
    sessions = nc_ps_new();
    if (count == 5 && call(atoi(words[4]))) return 6;
    while (!ended) {
        struct nc_session *session = NULL;
        if (nc_accept(10, &session) == NC_MSG_HELLO) nc_ps_add_session(sessions, session);
        int seen = nc_ps_poll(sessions, 10, &session);
        if (seen & NC_PSPOLL_SESSION_TERM) {
            nc_ps_del_session(sessions, session);
            nc_session_free(session, NULL);
        } else if (seen & NC_PSPOLL_SSH_CHANNEL) {
            if (nc_ps_accept_ssh_channel(sessions, &session) == NC_MSG_HELLO) nc_ps_add_session(sessions, session);
        }
    }
    return 0;
}
