from agent.lab import files, sessions
from agent.lab.servers import CLIENTS, Server, Service
from agent.lab.traffic import LINUX, Conversation, Frame, frames

INPUT = "input.pcap"
TRUTH = {"192.0.2.25": "silent", "192.0.2.26": "other"}

PATHS = ("/owa/auth/logon.aspx", "/autodiscover/autodiscover.xml", "/ecp/", "/EWS/Exchange.asmx", "/mapi/emsmdb")


def make() -> bytes:
    silent = [frame for port in (25, 80, 443) for frame in silence(port)]
    refusals = tuple(Service(80 + at, refusal(path), LINUX) for at, path in enumerate(PATHS))
    return files.pcap([*silent, *Server("nginx", "192.0.2.26", refusals).visited()])


def silence(port: int) -> list[Frame]:
    return frames(Conversation(CLIENTS[0], "192.0.2.25", port, refused=True))


def refusal(path: str) -> sessions.Turns:
    cookie = "Cookie: X-BEResource=ex01.example.org; X-BackEndCookie=1\r\n"
    return sessions.http("mail.example.org", path, "404 Not Found", [("Server", "nginx/1.26.3")], asked=cookie)
