"""The network tools: every connection goes to an address that the policy has judged.

requests, probes, lookups   the tools: http_request, network_ping, network_dns_lookup
fetch                       one HTTP request with its redirects; bodies decodes and caps what comes back
connections                 connects to a judged address, and to no other
names                       host names to addresses
policy                      which hosts, ports and addresses may be reached
hosts, addresses            what a host is; what an address is for
"""
