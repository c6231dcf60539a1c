"""The network tools: every connection goes to an address that the policy has judged.

tools                       what is listed
requests, probes, lookups   the tools: http_request, network_ping, network_dns_lookup
settings                    policy and resolver, out of the environment
fetch                       one HTTP request with its redirects; bodies decodes and caps what comes back
connections                 connects to a judged address, and to no other
names                       host names to addresses
policy                      which hosts, ports and addresses may be reached
hosts, addresses            what a host is; what an address is for
"""
