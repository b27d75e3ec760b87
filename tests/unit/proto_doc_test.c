/* The documents say what the code does: the tables of PROTOCOL.md are those of the field table and of err.def, openapi.json has the
 * same fields with the same limits, all its references lead somewhere, and both list the same paths.
 * How: the tables are written here and compared; `proto_doc_test --write` puts them into PROTOCOL.md. */
#include "proto_rig.h"

#include <ctype.h>
#include <jansson.h>

#define DOCUMENT "proto/PROTOCOL.md"

/* --- Tables ----------------------------------------------------------------------------------------------------------------- */

static const char *
type_name(const struct aw_field *field)
{
    switch (field->type) {
    case AW_TYPE_TEXT:
    case AW_TYPE_ID:
        return "text";
    case AW_TYPE_NAME:
        return "name: `a-z 0-9 _ . -`";
    case AW_TYPE_LANG:
        return "language tag";
    case AW_TYPE_FLIGHT:
        return "flight number";
    case AW_TYPE_AIRPORT:
        return "three upper-case letters";
    case AW_TYPE_DATE:
        return "date";
    case AW_TYPE_TIME:
        return "time";
    case AW_TYPE_WORD:
    case AW_TYPE_WORDS:
        return "";
    case AW_TYPE_NUMBER:
        return "number";
    case AW_TYPE_FLAG:
        return "true or false";
    case AW_TYPE_OBJECT:
        return "";
    case AW_TYPE_PAIRS:
        return "map of texts";
    case AW_TYPE_UNITS:
        return "map of numbers";
    }
    AW_UNREACHABLE();
}

/* "EXTEND_LINE" -> "ExtendLine", the schema's name. */
static void
schema_name(const struct aw_object *object, char name[64])
{
    bool first = true;

    for (const char *at = object->name; *at != '\0'; at++) {
        if (*at == '_') {
            first = true;
            continue;
        }
        *name++ = (char)(first ? *at : tolower(*at));
        first = false;
    }
    *name = '\0';
}

static void
put_type(struct aw_buffer *out, const struct aw_field *field)
{
    char name[64];

    if (field->items_max > 0 && !aw_field_is_map(field))
        aw_buffer_printf(out, "list of at most %u: ", field->items_max);
    if (field->type == AW_TYPE_OBJECT) {
        schema_name(aw_object_of(field->object), name);
        aw_buffer_add_str(out, name);
    }
    for (uint32_t i = 0; field->words != NULL && i < field->words->count; i++)
        aw_buffer_printf(out, "%s`%s`", i > 0 ? ", " : "", field->words->names[i]);
    aw_buffer_add_str(out, type_name(field));
    if (field->type == AW_TYPE_NUMBER)
        aw_buffer_printf(out, " %llu-%llu", (unsigned long long)field->number_min, (unsigned long long)field->number_max);
    else if (field->type == AW_TYPE_PAIRS)
        aw_buffer_printf(out, ", at most %u; keys of 1-%u bytes, values of 0-%u", field->items_max, AW_META_KEY_BYTES_MAX,
                         field->bytes_max);
    else if (field->type == AW_TYPE_UNITS)
        aw_buffer_printf(out, " 0-%llu, at most %u; keys are names of 1-%u bytes", (unsigned long long)field->number_max,
                         field->items_max, field->bytes_max);
    else if (field->bytes_max > 0)
        aw_buffer_printf(out, ", %d-%u bytes", field->empty_ok ? 0 : 1, field->bytes_max);
}

static void
put_fallback(struct aw_buffer *out, const struct aw_field *field)
{
    const char *word = field->type == AW_TYPE_WORD ? aw_words_name(field->words, field->fallback) : NULL;

    if (field->required)
        return;
    if (field->fallback_text != NULL)
        word = field->fallback_text;
    if (word != NULL)
        aw_buffer_printf(out, "`%s`", word);
    else if (field->type == AW_TYPE_NUMBER && field->fallback > 0)
        aw_buffer_printf(out, "%llu", (unsigned long long)field->fallback);
}

static struct aw_slice
fields_table(struct rig *rig, const struct aw_object *object)
{
    struct aw_buffer out;

    aw_buffer_init(&out, &rig->arena);
    aw_buffer_add_str(&out, "| field | type and limits | default | meaning |\n|---|---|---|---|\n");
    for (uint32_t i = 0; i < object->field_count; i++) {
        const struct aw_field *field = &object->fields[i];

        aw_buffer_printf(&out, "| `%s`%s | ", field->name.ptr, field->required ? "*" : "");
        put_type(&out, field);
        aw_buffer_add_str(&out, " | ");
        put_fallback(&out, field);
        aw_buffer_printf(&out, " | %s |\n", field->about);
    }
    assert_false(out.failed);
    return aw_buffer_slice(&out);
}

static struct aw_slice
errors_table(struct rig *rig)
{
    static const char *const retries[] = {[AW_RETRY_NEVER] = "never", [AW_RETRY_LATER] = "later", [AW_RETRY_NOW] = "now"};
    struct aw_buffer         out;

    aw_buffer_init(&out, &rig->arena);
    aw_buffer_add_str(&out, "| status | `urn:aswolk:...` | retry | title |\n|---|---|---|---|\n");
#define AW_ERR(name, status, retry, problem, text)                                                                               \
    if ((status) != 0) /* the others never leave the process */                                                                  \
        aw_buffer_printf(&out, "| %d | `%s` | %s | %s |\n", status, problem, retries[retry], text);
#include "base/err.def"
#undef AW_ERR
    assert_false(out.failed);
    return aw_buffer_slice(&out);
}

/* What a marker stands for; false for one that is not ours. */
static bool
table_for(struct rig *rig, struct aw_slice marker, struct aw_slice *ret_table)
{
    if (aw_slice_eq(marker, AW_SLICE("errors"))) {
        *ret_table = errors_table(rig);
        return true;
    }
    if (!aw_slice_starts(marker, AW_SLICE("fields:")))
        return false;
    for (unsigned kind = 0; kind < AW_OBJECT_COUNT; kind++) {
        const struct aw_object *object = aw_object_of((enum aw_object_kind)kind);

        if (aw_slice_eq(aw_slice_of(marker.ptr + 7, marker.len - 7), aw_slice_str(object->name))) {
            *ret_table = fields_table(rig, object);
            return true;
        }
    }
    fail_msg("no object called %.*s", AW_SLICE_ARGS(marker));
    return false;
}

/* The document with every table as it must be. */
static struct aw_slice
document(struct rig *rig, struct aw_slice old, uint32_t *ret_tables)
{
    struct aw_buffer out;
    bool             skip = false;

    *ret_tables = 0;
    aw_buffer_init(&out, &rig->arena);
    while (old.len > 0) {
        struct aw_slice line = aw_slice_cut(&old, '\n');
        struct aw_slice table;

        if (aw_slice_eq(line, AW_SLICE("<!-- end -->")))
            skip = false;
        if (skip)
            continue;
        aw_buffer_printf(&out, "%.*s\n", AW_SLICE_ARGS(line));
        if (aw_slice_starts(line, AW_SLICE("<!-- ")) && table_for(rig, aw_slice_of(line.ptr + 5, line.len - 9), &table)) {
            aw_buffer_add(&out, table.ptr, table.len);
            skip = true;
            (*ret_tables)++;
        }
    }
    assert_false(out.failed);
    return aw_buffer_slice(&out);
}

static void
test_tables(void **state)
{
    struct rig     *rig = *state;
    struct aw_slice old = rig_file(rig, DOCUMENT);
    uint32_t        tables;

    if (!aw_slice_eq(document(rig, old, &tables), old))
        fail_msg("the tables of %s are old: run proto_doc_test --write", DOCUMENT);
    assert_int_equal(tables, AW_OBJECT_COUNT + 1);
}

/* --- openapi.json ------------------------------------------------------------------------------------------------------------- */

static json_t *
load_openapi(void)
{
    struct aw_slice text = aw_proto_openapi();
    json_error_t    error;
    json_t         *root = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &error);

    if (root == NULL)
        fail_msg("openapi.json line %d: %s", error.line, error.text);
    return root;
}

static void
test_openapi_is_the_file(void **state)
{
    struct rig *rig = *state;

    assert_true(aw_slice_eq(aw_proto_openapi(), rig_file(rig, "proto/openapi.json")));
}

static void
check_number(const json_t *schema, const char *key, uint64_t wanted, const char *where)
{
    json_t *value = json_object_get(schema, key);

    if (!json_is_integer(value) || (uint64_t)json_integer_value(value) != wanted)
        fail_msg("openapi.json: %s: %s is not %llu", where, key, (unsigned long long)wanted);
}

static void
check_property(const struct aw_object *object, const struct aw_field *field, json_t *property)
{
    bool        list = field->items_max > 0 && !aw_field_is_map(field);
    json_t     *value = list ? json_object_get(property, "items") : property;
    const char *name = field->name.ptr;
    char        ref[128] = "#/components/schemas/";

    if (property == NULL)
        fail_msg("openapi.json has no %s in %s", name, object->name);
    if (list)
        check_number(property, "maxItems", field->items_max, name);
    if (field->type == AW_TYPE_PAIRS) {
        check_number(property, "maxProperties", field->items_max, name);
        check_number(json_object_get(property, "additionalProperties"), "maxLength", field->bytes_max, name);
        return;
    }
    if (field->type == AW_TYPE_UNITS) {
        check_number(property, "maxProperties", field->items_max, name);
        check_number(json_object_get(property, "propertyNames"), "maxLength", field->bytes_max, name);
        check_number(json_object_get(property, "additionalProperties"), "maximum", field->number_max, name);
        return;
    }
    if (field->bytes_max > 0)
        check_number(value, "maxLength", field->bytes_max, name);
    if (field->type == AW_TYPE_NUMBER) {
        check_number(value, "minimum", field->number_min, name);
        check_number(value, "maximum", field->number_max, name);
        if (field->fallback > 0)
            check_number(value, "default", field->fallback, name);
    }
    if (field->words != NULL) {
        json_t *words = json_object_get(value, "enum");

        assert_int_equal(json_array_size(words), field->words->count);
        for (uint32_t i = 0; i < field->words->count; i++)
            assert_string_equal(json_string_value(json_array_get(words, i)), field->words->names[i]);
    }
    if (field->type == AW_TYPE_OBJECT) {
        schema_name(aw_object_of(field->object), ref + strlen(ref));
        assert_string_equal(json_string_value(json_object_get(value, "$ref")), ref);
    }
    assert_string_equal(json_string_value(json_object_get(property, "description")), field->about);
}

static void
test_openapi_fields(void **state)
{
    json_t *root = load_openapi();
    json_t *schemas = json_object_get(json_object_get(root, "components"), "schemas");

    (void)state;
    for (unsigned kind = 0; kind < AW_OBJECT_COUNT; kind++) {
        const struct aw_object *object = aw_object_of((enum aw_object_kind)kind);
        char                    name[64];
        json_t                 *schema;
        json_t                 *properties;
        size_t                  required = 0;

        schema_name(object, name);
        schema = json_object_get(schemas, name);
        if (schema == NULL)
            fail_msg("openapi.json has no schema %s", name);
        assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
        properties = json_object_get(schema, "properties");
        assert_int_equal(json_object_size(properties), object->field_count);
        for (uint32_t i = 0; i < object->field_count; i++) {
            check_property(object, &object->fields[i], json_object_get(properties, object->fields[i].name.ptr));
            required += object->fields[i].required;
        }
        assert_int_equal(json_array_size(json_object_get(schema, "required")), required);
        for (size_t i = 0; i < required; i++) {
            const char            *word = json_string_value(json_array_get(json_object_get(schema, "required"), i));
            const struct aw_field *field = aw_object_find_field(object, aw_slice_str(word), 0);

            assert_true(field != NULL && field->required);
        }
    }
    json_decref(root);
}

/* Every "$ref" below `value` names something in `root`; returns how many there are. */
static size_t
check_refs(const json_t *root, json_t *value)
{
    const char *key;
    json_t     *child;
    size_t      index;
    size_t      count = 0;

    json_array_foreach(value, index, child)
    {
        count += check_refs(root, child);
    }
    json_object_foreach(value, key, child)
    {
        if (strcmp(key, "$ref") == 0) {
            struct aw_slice path = aw_slice_str(json_string_value(child) + 2);
            const json_t   *at = root;

            while (path.len > 0) {
                struct aw_slice part = aw_slice_cut(&path, '/');

                at = json_object_getn(at, part.ptr, part.len);
            }
            if (at == NULL)
                fail_msg("openapi.json: %s leads nowhere", json_string_value(child));
            count++;
        }
        count += check_refs(root, child);
    }
    return count;
}

/* What OpenAPI 3.1 demands of the places that we fill. */
static void
check_operation(const char *path, const char *method, json_t *operation)
{
    static const char *const methods[] = {"get", "post", "put", "patch"};
    const char              *key;
    json_t                  *response;
    json_t                  *parameter;
    size_t                   index;
    bool                     known = false;

    for (size_t i = 0; i < AW_ARRAY_LEN(methods); i++)
        known |= strcmp(method, methods[i]) == 0;
    assert_true(known);
    if (!json_is_string(json_object_get(operation, "operationId")) ||
        json_object_size(json_object_get(operation, "responses")) == 0)
        fail_msg("openapi.json: %s %s lacks operationId or responses", method, path);
    json_object_foreach(json_object_get(operation, "responses"), key, response)
    {
        assert_true(json_object_get(response, "$ref") != NULL || json_is_string(json_object_get(response, "description")));
    }
    json_array_foreach(json_object_get(operation, "parameters"), index, parameter)
    {
        char name[128];

        if (json_object_get(parameter, "$ref") != NULL)
            continue;
        assert_true(json_is_string(json_object_get(parameter, "name")));
        assert_true(json_is_object(json_object_get(parameter, "schema")));
        if (strcmp(json_string_value(json_object_get(parameter, "in")), "path") != 0)
            continue;
        assert_true(json_is_true(json_object_get(parameter, "required")));
        (void)snprintf(name, sizeof(name), "{%s}", json_string_value(json_object_get(parameter, "name")));
        assert_non_null(strstr(path, name));
    }
}

static void
test_openapi_form(void **state)
{
    struct rig *rig = *state;
    json_t     *root = load_openapi();
    json_t     *methods;
    const char *path;
    const char *text = rig_file(rig, DOCUMENT).ptr;
    size_t      operations = 0;
    size_t      rows = 0;

    assert_string_equal(json_string_value(json_object_get(root, "openapi")), "3.1.0");
    assert_true(json_is_string(json_object_get(json_object_get(root, "info"), "title")));
    assert_true(json_is_string(json_object_get(json_object_get(root, "info"), "version")));
    json_object_foreach(json_object_get(root, "paths"), path, methods)
    {
        const char *method;
        json_t     *operation;

        json_object_foreach(methods, method, operation)
        {
            char   row[128];
            size_t len = strlen(method);

            check_operation(path, method, operation);
            (void)snprintf(row, sizeof(row), "| `%s %s` |", method, path);
            for (size_t i = 3; i < 3 + len; i++)
                row[i] = (char)toupper(row[i]);
            if (strstr(text, row) == NULL)
                fail_msg("%s has no row %s", DOCUMENT, row);
            operations++;
        }
    }
    for (const char *at = text; (at = strstr(at, "\n| `")) != NULL; at++) {
        if (strncmp(at + 4, "GET /", 5) == 0 || strncmp(at + 4, "POST /", 6) == 0 || strncmp(at + 4, "PUT /", 5) == 0 ||
            strncmp(at + 4, "PATCH /", 7) == 0)
            rows++;
    }
    assert_int_equal(operations, rows);
    assert_true(check_refs(root, root) > 50);
    json_decref(root);
}

static int
write_document(void)
{
    void           *state;
    struct rig     *rig;
    struct aw_slice text;
    uint32_t        tables;
    FILE           *file;
    char            path[4096];

    (void)rig_setup(&state);
    rig = state;
    text = document(rig, rig_file(rig, DOCUMENT), &tables);
    (void)snprintf(path, sizeof(path), "%.*s" DOCUMENT, (int)(sizeof(__FILE__) - sizeof("tests/unit/proto_doc_test.c")),
                   __FILE__);
    file = fopen(path, "wb");
    if (file == NULL || fwrite(text.ptr, 1, text.len, file) != text.len || fclose(file) != 0) {
        perror(path);
        return 1;
    }
    (void)rig_teardown(&state);
    return 0;
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_tables),
        rig_test(test_openapi_is_the_file),
        rig_test(test_openapi_fields),
        rig_test(test_openapi_form),
    };

    if (argc == 2 && strcmp(argv[1], "--write") == 0)
        return write_document();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
