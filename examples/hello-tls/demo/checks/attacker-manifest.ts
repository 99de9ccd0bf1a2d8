/**
 * What the demo adds to the manifests for its attacker: a pod without sidecar in the legacy namespace, and a Service
 * whose ports lead to the servers that the demo starts in it. The mesh asks for mutual TLS there, as `*.local` says.
 */
export const ATTACKER_MANIFEST = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: attacker
  namespace: legacy
spec:
  replicas: 1
  selector:
    matchLabels:
      app: attacker
  template:
    metadata:
      labels:
        app: attacker
        version: v1-tls
    spec:
      containers:
      - name: hello
        image: wardviaene/http-echo
        env:
        - name: TEXT
          value: attacker
        ports:
        - name: http
          containerPort: 8080
---
apiVersion: v1
kind: Service
metadata:
  name: attacker
  namespace: legacy
spec:
  selector:
    app: attacker
  ports:
  - name: tcp-honest
    port: 8443
    targetPort: 8443
  - name: tcp-impostor
    port: 8444
    targetPort: 8444
`;
