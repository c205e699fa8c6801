/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/blob.h"
#include "toolstack/lib/client_private.h"
#include "toolstack/lib/json.h"
#include "toolstack/lib/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_SECONDS 30L /* a host on a network that does not answer at all */

static size_t keep_body(char *bytes, size_t size, size_t count, void *context)
{
    struct text *body = context;

    text_add_bytes(body, bytes, size * count);
    return size * count;
}

/* http:// and who is asked; over a local socket any name will do. */
static void add_base(const struct client *client, struct text *url)
{
    const struct address *address = &client->address;
    bool six = strchr(address->host, ':') != NULL;

    if (address->kind == ADDRESS_TCP)
        text_format(url, "http://%s%s%s:%u", six ? "[" : "", address->host, six ? "]" : "", address->port);
    else
        text_add(url, "http://coracle");
}

void client_set_up(struct client *client, const char *method, const char *path, struct text *url)
{
    CURL *curl = client->curl;

    add_base(client, url);
    text_add(url, path);
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url->text);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, client->headers[HEADERS_PLAIN]);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    if (client->address.kind != ADDRESS_TCP)
        curl_easy_setopt(curl,
                         client->socket.is_abstract ? CURLOPT_ABSTRACT_UNIX_SOCKET : CURLOPT_UNIX_SOCKET_PATH,
                         client->socket.name);
    if (client->timeout != 0) {
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)client->timeout);
    }
}

int client_perform(struct client *client, long *status)
{
    CURLcode code;

    client->error[0] = '\0';
    curl_easy_setopt(client->curl, CURLOPT_ERRORBUFFER, client->error);
    code = curl_easy_perform(client->curl);
    if (code == CURLE_OK) {
        curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, status);
        return 0;
    }
    *status = 0;
    if (client->quiet != NULL && *client->quiet)
        return -1;
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST)
        report("cannot connect to the host %s: %s", client->name,
               client->error[0] != '\0' ? client->error : curl_easy_strerror(code));
    else if (code == CURLE_OPERATION_TIMEDOUT)
        report("the host %s has not answered for %u s", client->name,
               client->timeout != 0 ? client->timeout : (unsigned)CONNECT_SECONDS);
    else
        report("the host %s did not answer: %s", client->name, curl_easy_strerror(code));
    if (code != CURLE_OPERATION_TIMEDOUT)
        client_tell_end(client);
    return -1;
}

struct answer client_request(struct client *client, const char *method, const char *path, const cJSON *body)
{
    struct answer answer = {0};
    struct text url = {0};
    char *text = NULL;

    client_set_up(client, method, path, &url);
    curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, keep_body);
    curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, &answer.body);
    if (body != NULL) {
        text = cJSON_PrintUnformatted(body);
        curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, client->headers[HEADERS_JSON]);
        curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, text);
    } else if (strcmp(method, "POST") == 0) {
        curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, "");
    }
    if (client_perform(client, &answer.status) == 0 && answer.body.length != 0)
        answer.json = cJSON_ParseWithLength(answer.body.text, answer.body.length);
    free(text);
    free(url.text);
    return answer;
}

void answer_free(struct answer *answer)
{
    cJSON_Delete(answer->json);
    free(answer->body.text);
    *answer = (struct answer){0};
}

int answer_check(const struct client *client, const struct answer *answer)
{
    const char *reason;

    if (answer->status >= 200 && answer->status < 300)
        return 0;
    if (answer->status == 0)
        return -1;
    reason = json_text(answer->json, "error", NULL);
    if (answer->status == 401)
        report("the host %s does not know this token; give its own with --token-file or CORACLE_TOKEN",
               client->name);
    else if (reason != NULL)
        report("%s", reason);
    else
        report("the host %s refused with HTTP status %ld and no reason", client->name, answer->status);
    return -1;
}

int client_call(struct client *client, const char *method, const char *path, const cJSON *body, cJSON **json)
{
    struct answer answer = client_request(client, method, path, body);
    int result = answer_check(client, &answer);

    if (result == 0 && json != NULL) {
        *json = answer.json;
        answer.json = NULL;
        if (*json == NULL && answer.body.length != 0) {
            report("the host %s answered with something that is no JSON: %.80s", client->name,
                   answer.body.text);
            result = -1;
        }
    }
    answer_free(&answer);
    return result;
}

int client_put(struct client *client, const char *path, int fd)
{
    struct answer answer = {0};
    struct text url = {0};
    int copy = dup(fd), result;
    FILE *file = copy >= 0 ? fdopen(copy, "re") : NULL;

    if (file == NULL) {
        report("cannot read the image: %s", strerror(errno));
        if (copy >= 0)
            close(copy);
        return -1;
    }
    rewind(file);
    client_set_up(client, "PUT", path, &url);
    curl_easy_setopt(client->curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(client->curl, CURLOPT_READDATA, file);
    curl_easy_setopt(client->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)file_size(fd));
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, client->headers[HEADERS_FILE]);
    curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, keep_body);
    curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, &answer.body);
    if (client_perform(client, &answer.status) == 0 && answer.body.length != 0)
        answer.json = cJSON_ParseWithLength(answer.body.text, answer.body.length);
    result = answer_check(client, &answer);
    answer_free(&answer);
    free(url.text);
    fclose(file);
    return result;
}
