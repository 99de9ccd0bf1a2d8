import { describe, expect, it } from "vitest";
import { formatConfigProblem } from "../config-problem.ts";
import { parseResources } from "../parsing/parse-resources.ts";

/** The problems of a VirtualService with one route, without file, line and name. */
function problemsOf(route: string): readonly string[] {
  const text = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: x }
spec:
  hosts: [a]
  http:
  - ${route}
`;
  const { problems } = parseResources({ text, file: "a.yaml" });
  return problems.map((problem) =>
    formatConfigProblem(problem)
      .replace(/^a\.yaml:\d+: /, "")
      .replace("VirtualService/x.default: ", ""),
  );
}

const to = (more: string) => `{ route: [{ destination: { host: b } }], ${more} }`;

describe("a route", () => {
  it.each([
    {
      name: "all supported fields",
      route: to(
        "timeout: 1m30s, retries: { attempts: 2, perTryTimeout: 0.25s, retryOn: '5xx,409' }, rewrite: { uri: /a, authority: b }, fault: { delay: { fixedDelay: 1h, percentage: { value: 0.5 } }, abort: { httpStatus: 500 } }, headers: { request: { set: { x-a: b, host: c }, remove: [x-d] } }",
      ),
    },
    { name: "a redirect", route: "{ redirect: { uri: /a, redirectCode: 302 } }" },
    {
      name: "a match on the client",
      route: to(
        "match: [{ sourceLabels: { app: a }, sourceNamespace: b, queryParams: { a: { regex: '*' } }, statPrefix: x }]",
      ),
    },
  ])("with $name is accepted without an error", ({ route }) => {
    expect(problemsOf(route).filter((problem) => problem.startsWith("error"))).toEqual([]);
  });

  it.each([
    { name: "a number as timeout", route: to("timeout: 5"), problem: "timeout: must be text, is 5: put it in quotes" },
    { name: "a timeout without a unit", route: to("timeout: '5'"), problem: "timeout: must be a duration from 1ms" },
    {
      name: "a timeout below a millisecond",
      route: to("timeout: 10us"),
      problem: "timeout: must be a duration from 1ms",
    },
    {
      name: "a timeout longer than any timer",
      route: to("timeout: 600h"),
      problem: "timeout: must be a duration from 1ms to 24 days",
    },
    { name: "a negative timeout", route: to("timeout: -1s"), problem: "timeout: must be a duration" },
    {
      name: "a rewrite to an invalid path",
      route: to("rewrite: { uri: x }"),
      problem: "rewrite.uri: must begin with `/`",
    },
    {
      name: "a rewrite with a line break",
      route: to('rewrite: { uri: "/x\\r\\ny: z" }'),
      problem: "rewrite.uri: must begin with `/` and be visible ASCII",
    },
    { name: "a rewrite with a space", route: to("rewrite: { uri: '/a b' }"), problem: "rewrite.uri: must begin" },
    {
      name: "a host with a line break",
      route: to('rewrite: { authority: "a\\r\\nb" }'),
      problem: "rewrite.authority: must be a host name",
    },
    { name: "a redirect without a target", route: "{ redirect: {} }", problem: "redirect: a redirect needs a target" },
    {
      name: "a redirect with only a code",
      route: "{ redirect: { redirectCode: 302 } }",
      problem: "redirect: a redirect needs a target",
    },
    {
      name: "a redirect with an invalid status",
      route: "{ redirect: { uri: /a, redirectCode: 200 } }",
      problem: "redirect.redirectCode: must be one of 301, 302, 303, 307, 308, is 200",
    },
    {
      name: "a redirect with a line break",
      route: '{ redirect: { uri: "/a\\nb" } }',
      problem: "redirect.uri: must begin",
    },
    {
      name: "a redirect to another scheme",
      route: "{ redirect: { scheme: javascript } }",
      problem: "redirect.scheme: must be one of http, https",
    },
    {
      name: "a redirect together with a route",
      route: to("redirect: { uri: /a }"),
      problem: "a route with `redirect` must not have",
    },
    {
      name: "a redirect together with a rewrite",
      route: "{ redirect: { uri: /a }, rewrite: { uri: /b } }",
      problem: "a route with `redirect` must not have",
    },
    {
      name: "a percentage above 100",
      route: to("fault: { abort: { httpStatus: 500, percentage: { value: 101 } } }"),
      problem: "fault.abort.percentage.value: must be at most 100",
    },
    {
      name: "an abort with status 0",
      route: to("fault: { abort: { httpStatus: 42 } }"),
      problem: "fault.abort.httpStatus: must be at least 200",
    },
    {
      name: "an abort with two statuses",
      route: to("fault: { abort: { httpStatus: 500, grpcStatus: INTERNAL } }"),
      problem: "fault.abort: give either `httpStatus` or `grpcStatus`",
    },
    {
      name: "an abort with a number for a status of gRPC",
      route: to("fault: { abort: { grpcStatus: '14' } }"),
      problem: 'fault.abort.grpcStatus: must be the name of a gRPC status, such as UNAVAILABLE, got "14"',
    },
    {
      name: "an abort with a status of gRPC that is a property of every object",
      route: to("fault: { abort: { grpcStatus: constructor } }"),
      problem: "fault.abort.grpcStatus: must be the name of a gRPC status",
    },
    {
      name: "a retry condition that Istio refuses",
      route: to("retries: { attempts: 2, retryOn: '5xx,conect-failure' }"),
      problem: "retries.retryOn: no retry condition is named conect-failure",
    },
    {
      name: "a delay of 0",
      route: to("fault: { delay: { fixedDelay: 0s } }"),
      problem: "fault.delay.fixedDelay: must be at least 1ms",
    },
    {
      name: "framing in set",
      route: to("headers: { request: { set: { Content-Length: '0' } } }"),
      problem:
        "headers.request.set.Content-Length: Content-Length cannot be changed by configuration: it frames the message",
    },
    {
      name: "framing in a response",
      route: to("headers: { response: { remove: [transfer-encoding] } }"),
      problem: "headers.response.remove[0]: transfer-encoding cannot be changed",
    },
    {
      name: "an identity in add",
      route: to("headers: { request: { add: { x-forwarded-client-cert: 'URI=x' } } }"),
      problem:
        "headers.request.add.x-forwarded-client-cert: x-forwarded-client-cert cannot be changed by configuration: it carries the identity",
    },
    {
      name: "Host in remove",
      route: to("headers: { request: { remove: [host] } }"),
      problem:
        "headers.request.remove[0]: host cannot be changed by configuration: it names the server: use rewrite.authority",
    },
    {
      name: "Host in a response",
      route: to("headers: { response: { set: { host: a } } }"),
      problem: "headers.response.set.host: host cannot be changed",
    },
    {
      name: "an invalid Host",
      route: to("headers: { request: { set: { host: 'a b' } } }"),
      problem: "headers.request.set.host: must be a host name",
    },
    {
      name: "another pseudo-header",
      route: to("headers: { request: { set: { ':path': /x } } }"),
      problem: 'headers.request.set[":path"]: :path is a pseudo-header',
    },
    {
      name: "a name that is not a token",
      route: to("headers: { request: { set: { 'a b': c } } }"),
      problem: 'headers.request.set["a b"]: "a b" is not a usable header name',
    },
    {
      name: "a value with a line break",
      route: to('headers: { response: { set: { x-a: "b\\r\\nc: d" } } }'),
      problem: "headers.response.set.x-a: must be printable ASCII",
    },
    {
      name: "a number as value",
      route: to("headers: { request: { set: { x-a: 1 } } }"),
      problem: "headers.request.set.x-a: must be text, is 1: put it in quotes",
    },
    {
      name: "hop-by-hop at a destination",
      route: "{ route: [{ destination: { host: b }, headers: { request: { add: { Connection: x } } } }] }",
      problem: "route[0].headers.request.add.Connection: Connection cannot be changed",
    },
    {
      name: "a broken regex of a parameter",
      route: to("match: [{ queryParams: { a: { regex: '(' } } }]"),
      problem: "match[0].queryParams.a.regex: not an RE2 regex",
    },
  ])("with $name is refused, with the field's path", ({ route, problem }) => {
    const [first = ""] = problemsOf(route);
    expect(first).toMatch(/^error: spec\.http\[0\]/);
    expect(first).toContain(problem);
  });
});
