/** World's policies: the account of hello alone, and GET alone. */
export const WORLD_POLICIES = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: only-hello
  namespace: ns2
spec:
  selector: { matchLabels: { app: world } }
  action: ALLOW
  rules:
    - from:
        - source: { principals: [cluster.local/ns/ns1/sa/default] }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: only-get
  namespace: ns2
spec:
  selector: { matchLabels: { app: world } }
  action: DENY
  rules:
    - to:
        - operation: { notMethods: [GET] }
`;

/** The rule of `only-get` as proxies name it. */
export const ONLY_GET_RULE = "ns[ns2]-policy[only-get]-rule[0]";

/** Takes the gRPC client's rights away, whatever it does at that moment. */
export const GREETER_POLICY = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: not-caller
  namespace: hello-grpc
spec:
  selector: { matchLabels: { app: greeter } }
  action: DENY
  rules:
    - from:
        - source: { principals: [cluster.local/ns/hello-grpc/sa/caller] }
`;
