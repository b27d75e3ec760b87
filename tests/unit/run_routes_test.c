/* Every route of the server says who may, and openapi.json says the same of the same routes. Who is meant stands in
 * tests/e2e/test_access.py, which asks for each of them. */
#include "proto/proto.h"
#include "run/api.h"
#include "support/test.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>

static const char *const methods[] = {"get", "head", "post", "put", "patch", "delete"};

/* "/v1/flights/{number}/{date}" fits before "/v1/flights/", two ids, after "". */
static bool
is_path_of(const struct aw_api_route *route, const char *path)
{
    char     want[160], got[160];
    size_t   at = 0;
    unsigned ids = 0;

    for (const char *c = path; *c != '\0'; c++) {
        if (*c == '{') {
            ids++;
            while (*c != '}')
                c++;
            got[at++] = '*';
        } else {
            got[at++] = *c;
        }
    }
    got[at] = '\0';
    (void)snprintf(want, sizeof(want), "%.*s%s%.*s", AW_SLICE_ARGS(route->before),
                   route->ids == 0   ? ""
                   : route->ids == 1 ? "*"
                                     : "*/*",
                   (int)route->after.len, route->after.len > 0 ? route->after.ptr : "");
    return ids == route->ids && strcmp(want, got) == 0;
}

static unsigned
roles_of(const json_t *operation)
{
    const json_t *list = json_object_get(operation, "x-roles");
    unsigned      roles = 0;
    size_t        i;
    json_t       *name;

    if (list == NULL) {
        assert_true(json_is_array(json_object_get(operation, "security")));
        assert_int_equal(json_array_size(json_object_get(operation, "security")), 0);
        return AW_ROUTE_PUBLIC;
    }
    assert_null(json_object_get(operation, "security")); /* that of the whole document */
    json_array_foreach(list, i, name)
    {
        enum aw_token_role role;

        assert_true(aw_token_role_parse(aw_slice_str(json_string_value(name)), &role));
        roles |= 1U << role;
    }
    return roles;
}

static void
test_document(void **state)
{
    struct aw_slice            text = aw_proto_openapi();
    json_t                    *root = json_loadb(text.ptr, text.len, 0, NULL), *operations, *operation;
    size_t                     count, found = 0;
    const struct aw_api_route *routes = aw_api_routes(&count);
    const char                *path, *method;

    (void)state;
    assert_non_null(root);
    json_object_foreach(json_object_get(root, "paths"), path, operations)
    {
        json_object_foreach(operations, method, operation)
        {
            size_t i = 0;

            while (i < count && (strcmp(methods[routes[i].method], method) != 0 || !is_path_of(&routes[i], path)))
                i++;
            if (i == count)
                fail_msg("the server has no route %s %s", method, path);
            if (routes[i].roles != roles_of(operation))
                fail_msg("%s %s: the server lets in %#x, openapi.json says %#x", method, path, routes[i].roles,
                         roles_of(operation));
            found++;
        }
    }
    assert_int_equal(found, count);
    json_decref(root);
}

static void
test_roles(void **state)
{
    size_t                     count;
    const struct aw_api_route *routes = aw_api_routes(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        assert_int_not_equal(routes[i].roles, 0);
        assert_true(routes[i].roles == AW_ROUTE_PUBLIC || (routes[i].roles & ~AW_ROUTE_ANY) == 0);
        for (size_t other = 0; other < i; other++)
            assert_false(routes[i].method == routes[other].method && routes[i].ids == routes[other].ids &&
                         aw_slice_eq(routes[i].before, routes[other].before) &&
                         aw_slice_eq(routes[i].after, routes[other].after));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_document), cmocka_unit_test(test_roles)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
