"""SOAP envelopes of WS-Management, as a Windows host writes and reads them ([MS-WSMV], DSP0226)."""

import uuid
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field

NS = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "x": "http://schemas.xmlsoap.org/ws/2004/09/transfer",
    "rsp": "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
    "f": "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault",
    "cfg": "http://schemas.microsoft.com/wbem/wsman/1/config",
    "xml": "http://www.w3.org/XML/1998/namespace",
}
SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
CMD = f"{SHELL}/cmd"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
for prefix, uri in NS.items():
    ET.register_namespace(prefix, uri)

TIMED_OUT = 2150858793
SHELL_NOT_FOUND = 2150858843
ACCESS_DENIED = 5
QUOTA = 2150859174


@dataclass
class Request:
    """One message from a client."""

    action: str
    resource: str
    message_id: str
    timeout: float
    options: dict = field(default_factory=dict)
    selectors: dict = field(default_factory=dict)
    body: ET.Element = None

    @property
    def verb(self):
        return self.action.rsplit("/", 1)[-1]

    @property
    def shell_id(self):
        return self.selectors.get("ShellId", "").upper()


class Fault(Exception):
    """A SOAP fault with the code that Windows gives."""

    def __init__(self, code, reason, subcode="w:InternalError", status=500):
        super().__init__(reason)
        self.code, self.reason, self.subcode, self.status = code, reason, subcode, status


def tag(name):
    prefix, local = name.split(":")
    return f"{{{NS[prefix]}}}{local}"


def parse(data):
    root = ET.fromstring(data)
    header = root.find("s:Header", NS)

    def text(path):
        return header.findtext(path, default="", namespaces=NS).strip()

    def named(path):
        return {o.get("Name"): (o.text or "") for o in header.findall(path, NS)}

    seconds = text("w:OperationTimeout").removeprefix("PT").removesuffix("S") or "60"
    return Request(
        action=text("a:Action"),
        resource=text("w:ResourceURI"),
        message_id=text("a:MessageID"),
        timeout=float(seconds),
        options=named("w:OptionSet/w:Option"),
        selectors=named("w:SelectorSet/w:Selector"),
        body=root.find("s:Body", NS),
    )


def envelope(request, *children, action=None):
    root = ET.Element(tag("s:Envelope"))
    header = ET.SubElement(root, tag("s:Header"))
    ET.SubElement(header, tag("a:Action")).text = action or f"{request.action}Response"
    ET.SubElement(header, tag("a:MessageID")).text = f"uuid:{uuid.uuid4()}".upper().replace("UUID", "uuid")
    ET.SubElement(header, tag("a:To")).text = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"
    ET.SubElement(header, tag("a:RelatesTo")).text = request.message_id
    body = ET.SubElement(root, tag("s:Body"))
    body.extend(children)
    return ET.tostring(root, encoding="utf-8")


def fault(request, error):
    element = ET.Element(tag("s:Fault"))
    code = ET.SubElement(element, tag("s:Code"))
    ET.SubElement(code, tag("s:Value")).text = "s:Receiver"
    ET.SubElement(ET.SubElement(code, tag("s:Subcode")), tag("s:Value")).text = error.subcode
    reason = ET.SubElement(ET.SubElement(element, tag("s:Reason")), tag("s:Text"))
    reason.set(tag("xml:lang"), "en-US")
    reason.text = error.reason
    detail = ET.SubElement(ET.SubElement(element, tag("s:Detail")), tag("f:WSManFault"))
    detail.set("Code", str(error.code))
    detail.set("Machine", "192.0.2.10")
    ET.SubElement(detail, tag("f:Message")).text = error.reason
    return envelope(request, element, action="http://schemas.dmtf.org/wbem/wsman/1/wsman/fault")


def created(request, shell_id):
    resource = ET.Element(tag("x:ResourceCreated"))
    ET.SubElement(resource, tag("a:Address")).text = "https://192.0.2.10:5986/wsman"
    reference = ET.SubElement(resource, tag("a:ReferenceParameters"))
    ET.SubElement(reference, tag("w:ResourceURI")).text = request.resource
    selectors = ET.SubElement(reference, tag("w:SelectorSet"))
    selector = ET.SubElement(selectors, tag("w:Selector"))
    selector.set("Name", "ShellId")
    selector.text = shell_id
    shell = ET.Element(tag("rsp:Shell"))
    for name, value in (
        ("ShellId", shell_id),
        ("ResourceUri", request.resource),
        ("Owner", "LAB\\detonator"),
        ("ClientIP", "192.0.2.1"),
        ("IdleTimeOut", "PT7200.000S"),
        ("InputStreams", "stdin"),
        ("OutputStreams", "stdout stderr"),
        ("ShellRunTime", "P0DT0H0M0S"),
        ("ShellInactivity", "P0DT0H0M0S"),
    ):
        ET.SubElement(shell, tag(f"rsp:{name}")).text = value
    return envelope(request, resource, shell, action=f"{TRANSFER}/CreateResponse")


def received(request, command_id, streams, exit_code, done, encode):
    response = ET.Element(tag("rsp:ReceiveResponse"))
    for name, data, end in streams:
        stream = ET.SubElement(response, tag("rsp:Stream"))
        stream.set("Name", name)
        if command_id:
            stream.set("CommandId", command_id)
        if end:
            stream.set("End", "true")
        stream.text = encode(data) if data else ""
    if command_id:
        state = ET.SubElement(response, tag("rsp:CommandState"))
        state.set("CommandId", command_id)
        state.set("State", f"{SHELL}/CommandState/{'Done' if done else 'Running'}")
        if done:
            ET.SubElement(state, tag("rsp:ExitCode")).text = str(exit_code)
    return envelope(request, response)
