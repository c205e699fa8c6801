/* SPDX-License-Identifier: MIT */
/* The API's images. */
#include <errno.h>
#include <stdlib.h>
#include "toolstack/control/api.h"
#include "toolstack/control/image.h"

/* The schema Image. */
static cJSON *image_json(const struct image *image)
{
    cJSON *json = cJSON_CreateObject();

    if (!cJSON_AddStringToObject(json, "name", image->name) ||
        !cJSON_AddNumberToObject(json, "size", (double)image->size) ||
        !cJSON_AddNumberToObject(json, "users", image->users)) {
        cJSON_Delete(json);
        return NULL;
    }
    return json;
}

/* The image that the path names; NULL: answered with 404. */
static struct image *named(const struct api_call *call)
{
    struct image *image = image_find(call->name);

    if (!image) {
        http_reply_error(call->request, 404, "there is no image '%s'", call->name);
    }
    return image;
}

static bool next_image(void **cursor, cJSON **item)
{
    struct image *image = image_next(*cursor);

    *cursor = image;
    *item = image ? image_json(image) : NULL;
    return image != NULL;
}

void api_list_images(struct api_call *call)
{
    api_reply_list(call->request, "images", next_image);
}

void api_put_image(struct api_call *call)
{
    struct http_request *request = call->request;
    int error;

    if (request->body_length == 0) {
        http_reply_error(request, 400, "expected the image as the body, found an empty body");
        return;
    }
    error = image_add(call->name, request->body, request->body_length);
    if (error == 0) {
        request->body = NULL; /* taken over */
        api_reply_json(request, 201, image_json(image_find(call->name)));
    } else if (error == -EEXIST) {
        http_reply_error(request, 409, "there is an image '%s' already", call->name);
    } else if (error == -EINVAL) {
        http_reply_error(request, 400,
                         "'%s': expected up to 127 letters, digits, _ - . + : as an image's name",
                         call->name);
    } else {
        http_reply_error(request, 507, "the control domain has no memory for the image");
    }
}

void api_get_image(struct api_call *call)
{
    const struct image *image = named(call);

    if (image) {
        api_reply_json(call->request, 200, image_json(image));
    }
}

void api_delete_image(struct api_call *call)
{
    const struct image *image = named(call);

    if (!image) {
        return;
    }
    if (image_remove(call->name) == 0) {
        http_reply(call->request, 204, NULL, NULL, 0);
    } else {
        http_reply_error(call->request, 409, "the image '%s' is in use by %u domains", call->name,
                         image->users);
    }
}
