import { describe, expect, it } from "vitest";
import { parseResources } from "../parsing/parse-resources.ts";
import { from, many, policy, problemsOf, to, when } from "./authorization-policy-fixture.ts";

describe("an AuthorizationPolicy's rule is refused", () => {
  it.each([
    { name: "a rule that is null", text: policy("{rules: [null]}"), problem: /spec\.rules\[0\]: must be a mapping/ },
    {
      name: "an entry of `from` that is null",
      text: policy("{rules: [{from: [null]}]}"),
      problem: /spec\.rules\[0\]\.from\[0\]: must be a mapping/,
    },
    {
      name: "an entry of `to` that is null",
      text: policy("{rules: [{to: [null]}]}"),
      problem: /spec\.rules\[0\]\.to\[0\]: must be a mapping/,
    },
    {
      name: "an empty list of `from`",
      text: policy("{rules: [{from: []}]}"),
      problem: /rules\[0\]\.from: must be at least 1 items long, is an empty list/,
    },
    {
      name: "an empty list of `to`",
      text: policy("{rules: [{to: []}]}"),
      problem: /rules\[0\]\.to: must be at least 1/,
    },
    {
      name: "an entry of `from` without a source",
      text: policy("{rules: [{from: [{}]}]}"),
      problem: /rules\[0\]\.from\[0\]\.source: is missing/,
    },
    { name: "a source that is null", text: from("null"), problem: /from\[0\]\.source: is missing/ },
    {
      name: "a source without fields",
      text: from("{}"),
      problem: /from\[0\]\.source: is a source without values: give one of principals, .*, or remove the whole clause/,
    },
    {
      name: "a source whose only list is empty",
      text: from("{principals: []}"),
      problem: /is a source without values/,
    },
    {
      name: "an operation without fields",
      text: to("{}"),
      problem: /is an operation without values: give one of hosts/,
    },
    { name: "an operation that is null", text: to("null"), problem: /to\[0\]\.operation: is missing/ },
    {
      name: "an empty value",
      text: from('{principals: [a, ""]}'),
      problem: /source\.principals\[1\]: must not be empty: remove it, or use `\*` for any value/,
    },
    {
      name: "an empty value of a negative list",
      text: to('{notPaths: [""]}'),
      problem: /notPaths\[0\]: must not be empty/,
    },
    {
      name: "a misspelled field of a source",
      text: from("{principal: [a]}"),
      problem: /from\[0\]\.source: has the unknown field principal: correct its spelling, or remove it/,
    },
    { name: "a misspelled field of an operation", text: to("{path: [/a]}"), problem: /has the unknown field path/ },
    { name: "a misspelled clause", text: policy("{rules: [{form: []}]}"), problem: /has the unknown field form/ },
    {
      name: "an address with a letter",
      text: from("{ipBlocks: [10.0.0.x]}"),
      problem: /ipBlocks\[0\]: must be an IP address or a block such as 10\.0\.0\.0\/8, is "10\.0\.0\.x"/,
    },
    {
      name: "a block of 33 bits",
      text: from("{notIpBlocks: [10.0.0.0/33]}"),
      problem: /notIpBlocks\[0\]: must be an IP/,
    },
    { name: "a remote block", text: from("{remoteIpBlocks: [a]}"), problem: /remoteIpBlocks\[0\]: must be an IP/ },
    { name: "an IPv6 block of 129 bits", text: from('{notRemoteIpBlocks: ["::/129"]}'), problem: /must be an IP/ },
    {
      name: "a port above 65535",
      text: to('{ports: ["65536"]}'),
      problem: /ports\[0\]: must be one port from 0 to 65535, without ranges or `\*`, is "65536"/,
    },
    { name: "a range of ports", text: to('{ports: ["80-90"]}'), problem: /must be one port/ },
    { name: "a port with a wildcard", text: to('{notPorts: ["80*"]}'), problem: /must be one port/ },
    { name: "a port that is a number", text: to("{ports: [80]}"), problem: /must be text, is 80: put it in quotes/ },
    {
      name: "a service account of three parts",
      text: from("{serviceAccounts: [a/b/c]}"),
      problem: /serviceAccounts\[0\]: must be NAMESPACE\/SERVICE_ACCOUNT, .* is "a\/b\/c"/,
    },
    { name: "a service account with a wildcard", text: from('{serviceAccounts: ["ns1/*"]}'), problem: /without `\*`/ },
    {
      name: "a service account without a name",
      text: from("{notServiceAccounts: [ns1/]}"),
      problem: /must be NAMESPACE/,
    },
    {
      name: "a service account without a namespace",
      text: from("{serviceAccounts: [/a]}"),
      problem: /must be NAMESPACE/,
    },
    {
      name: "17 service accounts",
      text: from(`{serviceAccounts: ${many(17, "a")}}`),
      problem: /serviceAccounts: must be at most 16 items long/,
    },
    {
      name: "a service account of 321 characters",
      text: from(`{serviceAccounts: [${"a".repeat(321)}]}`),
      problem: /must have at most 320 characters, has 321/,
    },
    {
      name: "service accounts with principals",
      text: from("{serviceAccounts: [a], notPrincipals: [b]}"),
      problem: /has service accounts together with principals or namespaces: write one entry of `from` for each/,
    },
    {
      name: "service accounts with namespaces",
      text: from("{notServiceAccounts: [a], namespaces: [b]}"),
      problem: /has service accounts together with/,
    },
    {
      name: "a trust domain with a slash",
      text: from("{trustDomains: [td/ns]}"),
      problem: /trustDomains\[0\]: must be a trust domain without `\/`, with one `\*` at most, at an end, is "td\/ns"/,
    },
    { name: "a trust domain with two stars", text: from('{trustDomains: ["*td*"]}'), problem: /one `\*` at most/ },
    { name: "a trust domain with an inner star", text: from('{notTrustDomains: ["t*d"]}'), problem: /at an end/ },
    {
      name: "a path with a named variable",
      text: to('{paths: ["/a/{id}"]}'),
      problem: /paths\[0\]: must use \{ and \} only in the segments \{\*\} and \{\*\*\}, is "\/a\/\{id\}"/,
    },
    { name: "an operator within a segment", text: to('{paths: ["/a{*}"]}'), problem: /must use \{ and \} only/ },
    {
      name: "a `*` in a template",
      text: to('{paths: ["/{*}/b*"]}'),
      problem: /has the segment "b\*", which cannot be/,
    },
    { name: "an empty segment in a template", text: to('{paths: ["/{*}//b"]}'), problem: /has the segment ""/ },
    {
      name: "an operator after `{**}`",
      text: to('{notPaths: ["/{**}/a/{*}"]}'),
      problem: /has \{\*\} after \{\*\*\}, which must be the last operator/,
    },
    { name: "a condition without a key", text: when("{values: [a]}"), problem: /when\[0\]\.key: is missing/ },
    { name: "a condition with an empty key", text: when('{key: "", values: [a]}'), problem: /key: must be at least 1/ },
    {
      name: "a condition without values",
      text: when("{key: source.ip}"),
      problem: /when\[0\]: is a condition without values: give `values` or `notValues`/,
    },
    { name: "a condition with empty lists", text: when("{key: source.ip, values: []}"), problem: /without values/ },
    { name: "a condition that is null", text: when("null"), problem: /when\[0\]: must be a mapping/ },
    {
      name: "an empty value of a condition",
      text: when('{key: connection.sni, values: [""]}'),
      problem: /values\[0\]: must not be empty/,
    },
    {
      name: "an unknown key",
      text: when("{key: source.port, values: [a]}"),
      problem:
        /when\[0\]\.key: is "source\.port": no condition has this key: use source\.ip, .*request\.auth\.claims\[NAME\]/,
    },
    {
      name: "a key in other letters",
      text: when("{key: Source.ip, values: [10.0.0.1]}"),
      problem: /no condition has this/,
    },
    {
      name: "destination.labels",
      text: when('{key: "destination.labels[app]", values: [a]}'),
      problem: /this key is not supported, select the workloads with `selector`/,
    },
    { name: "destination.name", text: when("{key: destination.name, values: [a]}"), problem: /with `selector`/ },
    { name: "destination.user", text: when("{key: destination.user, values: [a]}"), problem: /with `selector`/ },
    {
      name: "destination.namespace",
      text: when("{key: destination.namespace, values: [a]}"),
      problem: /a policy applies to its own namespace/,
    },
    {
      name: "the metadata of a filter of Envoy",
      text: when('{key: "experimental.envoy.filters.a[b]", values: [a]}'),
      problem: /Entente has no filters of Envoy/,
    },
    {
      name: "a misshapen header",
      text: when('{key: "request.headersX[h]", values: [a]}'),
      problem: /is "request\.headersX\[h\]": a header's key is `request\.headers\[NAME\]`/,
    },
    {
      name: "a header without a name",
      text: when('{key: "request.headers[]", values: [a]}'),
      problem: /a header's key/,
    },
    { name: "headers without brackets", text: when("{key: request.headers, values: [a]}"), problem: /a header's key/ },
    {
      name: "a header that cannot be one",
      text: when('{key: "request.headers[a b]", values: [a]}'),
      problem: /"a b" is not a usable header name/,
    },
    {
      name: "a pseudo-header",
      text: when('{key: "request.headers[:path]", values: [a]}'),
      problem: /names the pseudo-header :path: use `paths` of `to\.operation`/,
    },
    {
      name: "a misshapen claim",
      text: when('{key: "request.auth.claims[a]b", values: [a]}'),
      problem: /a claim's key is `request\.auth\.claims\[NAME\]`/,
    },
    {
      name: "a bad address of a condition",
      text: when("{key: remote.ip, values: [a]}"),
      problem: /values\[0\]: must be an IP/,
    },
    {
      name: "a bad negative address",
      text: when("{key: destination.ip, notValues: [a]}"),
      problem: /notValues\[0\]: must be an IP/,
    },
    {
      name: "a bad port of a condition",
      text: when("{key: destination.port, values: [http]}"),
      problem: /must be one port/,
    },
    {
      name: "a bad service account of a condition",
      text: when("{key: source.serviceAccount, values: [a/b/c]}"),
      problem: /must be NAMESPACE/,
    },
  ])("with $name", ({ text, problem }) => {
    const { resources } = parseResources({ text, file: "a.yaml" });
    expect(resources).toEqual([]);
    expect(problemsOf(text).join("\n")).toMatch(problem);
  });
});
