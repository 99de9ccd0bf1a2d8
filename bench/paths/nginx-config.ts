import type { CertificateFiles } from "./certificates.ts";
import type { PeerPorts } from "./haproxy-config.ts";
import { SERVER_NAME } from "./identities.ts";

/**
 * nginx as both sides under one worker, mutual TLS 1.3 between them, connections kept on both hops. Responses are passed
 * on as they come and never written to a file; sessions of the mesh hop are resumed, which is nginx's default.
 */
export function formatNginxConfig(folder: string, ports: PeerPorts, certificates: CertificateFiles): string {
  return `user root;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
events { worker_connections 8192; }
http {
  access_log off;
  tcp_nodelay on;
  keepalive_timeout 1h;
  keepalive_time 1d;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  proxy_max_temp_file_size 0;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_request_buffering off;
  upstream mesh { server 127.0.0.1:${ports.mesh}; keepalive 1024; keepalive_requests 1000000000; keepalive_time 1d; }
  upstream application { server 127.0.0.1:${ports.backend}; keepalive 1024; keepalive_requests 1000000000; keepalive_time 1d; }
  server {
    listen 127.0.0.1:${ports.client};
    location / {
      proxy_pass https://mesh;
      proxy_ssl_protocols TLSv1.3;
      proxy_ssl_certificate ${certificates.client};
      proxy_ssl_certificate_key ${certificates.client};
      proxy_ssl_trusted_certificate ${certificates.root};
      proxy_ssl_verify on;
      proxy_ssl_name ${SERVER_NAME};
      proxy_ssl_server_name on;
    }
  }
  server {
    listen 127.0.0.1:${ports.mesh} ssl;
    ssl_protocols TLSv1.3;
    ssl_certificate ${certificates.server};
    ssl_certificate_key ${certificates.server};
    ssl_client_certificate ${certificates.root};
    ssl_verify_client on;
    location / { proxy_pass http://application; }
  }
}
`;
}
