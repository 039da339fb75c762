def test_the_edge_sees_what_leaves_and_nothing_else(simulated, rows):
    assert simulated("internal_services").of("proxy") == ()
    assert simulated("multicast_chatter").of("proxy") == ()
    (line,) = rows(simulated("beacon", times=1), "proxy", "traffic")
    assert (line["dest"], line["dest_port"], line["transport"]) == ("203.0.113.10", "443", "tcp")


def test_the_edge_sees_attempts_that_nobody_answers(simulated, rows):
    telemetry = simulated("beacon", times=3, listener=False)
    lines = rows(telemetry, "proxy", "traffic")
    assert [(r["session_end_reason"], r["bytes_in"]) for r in lines] == [("aged-out", "0")] * 3
    assert telemetry.of("sysmon", "3") == ()


def test_the_edge_knows_the_name_that_was_asked_for(simulated, rows):
    lines = rows(simulated("edr_agent", lasts="1h"), "proxy", "traffic")
    assert {r["dest_host"] for r in lines} == {"ts01-b.sensor.example"}


def test_there_may_be_no_log_of_the_edge(simulated):
    assert simulated("beacon", conditions={"proxy_log": "off"}).of("proxy") == ()
