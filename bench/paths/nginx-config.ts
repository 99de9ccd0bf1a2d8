import type { PeerSettings } from "./haproxy-config.ts";
import { SERVER_NAME } from "./identities.ts";

/**
 * nginx as both sides under one worker, mutual TLS 1.3 between them, connections kept on both hops. Responses are passed
 * on as they come and never written to a file; sessions of the mesh hop are resumed, which is nginx's default.
 * HTTP/2 to an upstream is nginx's gRPC module, which its HTTP/1.1 proxy module has no part in.
 */
export function formatNginxConfig(folder: string, settings: PeerSettings): string {
  const { ports, certificates, application } = settings;
  const [module, listen] = application === "h2" ? ["grpc", " http2"] : ["proxy", ""];
  const schemes = application === "h2" ? ["grpcs", "grpc"] : ["https", "http"];
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
  upstream mesh { server 127.0.0.1:${ports.dialled}; keepalive 1024; keepalive_requests 1000000000; keepalive_time 1d; }
  upstream application { server 127.0.0.1:${ports.backend}; keepalive 1024; keepalive_requests 1000000000; keepalive_time 1d; }
  server {
    listen 127.0.0.1:${ports.client}${listen};
    location / {
      ${module}_pass ${schemes[0]}://mesh;
      ${module}_ssl_protocols TLSv1.3;
      ${module}_ssl_certificate ${certificates.client};
      ${module}_ssl_certificate_key ${certificates.client};
      ${module}_ssl_trusted_certificate ${certificates.root};
      ${module}_ssl_verify on;
      ${module}_ssl_name ${SERVER_NAME};
      ${module}_ssl_server_name on;
    }
  }
  server {
    listen 127.0.0.1:${ports.mesh} ssl${listen};
    ssl_protocols TLSv1.3;
    ssl_certificate ${certificates.server};
    ssl_certificate_key ${certificates.server};
    ssl_client_certificate ${certificates.root};
    ssl_verify_client on;
    location / { ${module}_pass ${schemes[1]}://application; }
  }
}
`;
}
