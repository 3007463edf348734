/** The OpenAPI 3.1 document of the API, made of the table of operations: what is served is what is written here, and nothing else. */
import * as z from 'zod';
import { type OperationName, operations } from '../../control/operations.ts';
import { apiPrefix, calledNames, pathOf } from './names.ts';

type Json = Readonly<Record<string, unknown>>;

const problemAnswer: Json = {
  description: 'What is wrong, and what to do about it (RFC 9457).',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
};

/** What may be answered instead, to anybody. */
const refusals: Json = Object.fromEntries(
  [400, 401, 403, 404, 405, 408, 409, 412, 413, 415, 421, 422, 428, 429, 431, 500, 503, 504].map((status) => [
    status,
    problemAnswer,
  ]),
);

const list: Json = { type: 'array', items: { type: 'object' } };
const object: Json = { type: 'object' };
const changes: Json = {
  type: 'object',
  properties: { changes: { type: 'array', items: { type: 'string' } } },
  required: ['changes'],
};

/** Shapes of answers; of those that are not named: an object for a change of clients, null for any other. */
const answers: Readonly<Partial<Record<OperationName, Json>>> = {
  status: object,
  top: object,
  nat: object,
  hub: object,
  history: object,
  'history.info': object,
  'actor.kill': { type: 'string' },
  'actor.restart': { type: 'string' },
  'actor.hang': { type: 'string' },
  'link.add': changes,
  'link.remove': changes,
  reload: changes,
  'client.find': object,
  'client.show': object,
  'client.usage': object,
  'client.import': { type: 'object', properties: { count: { type: 'integer' } } },
  'config.read': object,
  'config.schema': object,
  'config.check': object,
  'config.diff': object,
  'config.apply': object,
  'invite.add': list,
  'webhook.test': list,
};

export function openApiDocument(version: string, cookieName = 'hawser_session'): Json {
  return {
    openapi: '3.1.0',
    info: { title: 'Hawser', version, description: 'What `hawser` asks the daemon, by HTTP.' },
    servers: [{ url: apiPrefix }],
    security: [{ bearer: [] }, { cookie: [] }],
    paths: {
      ...Object.fromEntries(calledNames().map((name) => [pathOf(name), pathItemOf(name)])),
      '/follow': streamItem('Events as they happen; `Last-Event-ID` goes on.', parametersOf('follow')),
      '/rates': streamItem('Each second what `top` answers.', parametersOf('top')),
      '/me': { get: { ...described('me', 'Who asks, and whom.', 'viewer'), responses: answered(object) } },
      '/openapi.json': { get: { ...described('openapi', 'This document.', 'viewer'), responses: answered(object) } },
      '/login': {
        post: {
          ...described('login', 'Trades a code of `hawser open` for a cookie.', 'viewer'),
          security: [],
          requestBody: bodyOf({
            type: 'object',
            properties: { code: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$' } },
            required: ['code'],
          }),
          responses: answered(object),
        },
      },
      '/logout': {
        post: { ...described('logout', 'Ends the login.', 'viewer'), security: [], responses: answered({}) },
      },
    },
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        cookie: { type: 'apiKey', in: 'cookie', name: cookieName },
      },
      schemas: {
        Problem: {
          type: 'object',
          properties: {
            type: { type: 'string', format: 'uri' },
            title: { type: 'string' },
            status: { type: 'integer' },
            detail: { type: 'string' },
            remedy: { type: 'string' },
          },
          required: ['type', 'title', 'status', 'detail'],
        },
      },
    },
  };
}

function pathItemOf(name: OperationName): Json {
  const { effect, who, revision } = operations[name];
  const said = described(name, `As the operation \`${name}\` of the control socket.`, who);
  const responses = answered(answerOf(name));
  if (effect === 'reads') return { get: { ...said, parameters: parametersOf(name), responses } };
  const parameters = revision === 'wanted' ? { parameters: [ifMatchOf(name)] } : {};
  return { post: { ...said, ...parameters, requestBody: bodyOf(bodySchemaOf(name)), responses } };
}

/** The revision that was seen, in quotes as an ETag has it. */
function ifMatchOf(name: OperationName): Json {
  const { type, pattern } = propertiesOf(name).revision as { readonly type?: string; readonly pattern?: string };
  const inner = type === 'integer' ? '(0|[1-9][0-9]{0,14})' : (pattern ?? '.{1,64}').replace(/^\^|\$$/g, '');
  return {
    name: 'If-Match',
    in: 'header',
    required: true,
    description: 'The ETag of what was read: 428 without, 412 when it is another one by now.',
    schema: { type: 'string', pattern: `^"${inner}"$` },
  };
}

/** What the header says is not said again. */
function bodySchemaOf(name: OperationName): Json {
  const { params, revision } = operations[name];
  const { properties, required, ...schema } = schemaOf(params) as {
    readonly properties?: Json;
    readonly required?: readonly string[];
  };
  const isSaid = (key: string): boolean => revision === 'wanted' && key === 'revision';
  const needed = (required ?? []).filter((key) => !isSaid(key));
  return {
    ...schema,
    properties: Object.fromEntries(Object.entries(properties ?? {}).filter(([key]) => !isSaid(key))),
    ...(needed.length === 0 ? {} : { required: needed }),
  };
}

function propertiesOf(name: OperationName): Readonly<Record<string, Json>> {
  const { properties = {} } = schemaOf(operations[name].params) as { readonly properties?: Record<string, Json> };
  return properties;
}

function described(operationId: string, summary: string, who: string): Json {
  return { operationId, summary, 'x-role': who };
}

function answered(schema: Json): Json {
  const ok = { description: 'Done.', content: { 'application/json': { schema } } };
  return { 200: ok, ...refusals };
}

function answerOf(name: OperationName): Json {
  const { effect } = operations[name];
  if (answers[name] !== undefined) return answers[name];
  if (effect === 'reads') return list;
  return name.startsWith('client.') || name.startsWith('invite.') ? object : { type: 'null' };
}

function streamItem(summary: string, parameters: readonly Json[]): Json {
  const ok = { description: 'Server-sent events.', content: { 'text/event-stream': { schema: { type: 'string' } } } };
  const operationId = summary.startsWith('Events') ? 'follow' : 'rates';
  return { get: { ...described(operationId, summary, 'viewer'), parameters, responses: { 200: ok, ...refusals } } };
}

function bodyOf(schema: Json): Json {
  return { required: Array.isArray(schema.required), content: { 'application/json': { schema } } };
}

function parametersOf(name: OperationName): Json[] {
  const { properties = {}, required = [] } = schemaOf(operations[name].params) as {
    readonly properties?: Readonly<Record<string, Json>>;
    readonly required?: readonly string[];
  };
  return Object.entries(properties).map(([parameter, schema]) => ({
    name: parameter,
    in: 'query',
    required: required.includes(parameter),
    schema,
  }));
}

function schemaOf(params: z.ZodType): Json {
  const { $schema: _dialect, ...schema } = z.toJSONSchema(params, { io: 'input' });
  return schema;
}
