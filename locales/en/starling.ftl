# The words of the program. Remote texts put in here were cleaned before.

## Errors

error = starling: { $message }
no-data-dir = No data directory: there is no home directory. Name one with --data-dir or STARLING_DATA_DIR.
home-not-there =
    There is no identity in { $path } yet.
    Make one with: starling init --name NAME   (or name the right directory with --data-dir)
home-exists =
    { $path } holds an identity already; it was left as it is.
    See it with: starling id   (for a second person, use another --data-dir)
home-locked =
    The data directory { $path } is held by { $holder }.
    Only one process can use it: wait for that one or end it, then try again.
holder-unknown = another process
holder = process { $number }
holder-doing = process { $number } ({ $what })
holder-command = starling { $command }
holder-stopped = starling { $command }, which is stopped: `fg` in its terminal lets it go on
home-starting =
    A node is starting in { $path } and does not answer yet.
    Its disk may be slow; try again in a moment.
home-needs-passphrase =
    { $path } is protected by a passphrase.
    Give it with --passphrase-file FILE or STARLING_PASSPHRASE, or run this on a terminal.
home-wrong-passphrase = The passphrase does not open { $path }. Nothing was changed; try again with the right one.
home-read-only =
    { $path } cannot be written.
    Check its owner and permissions, whether its disk is mounted read-only, or name another --data-dir.
home-unusable = { $path } cannot be opened: { $reason }
client-broken = The running node does not answer ({ $reason }). Look at its output, or start it again with: starling run
passphrase-file = The passphrase file { $path } cannot be read
passphrase-length = The first line of { $path } must hold a passphrase of 1 to { $max } bytes.
passphrase-not-utf8 = The passphrase is not valid UTF-8. Save it as UTF-8 text.
run-ended = The node ended by an error in it; what was accepted is safe. Start it again with: starling run
passphrase-unused =
    { $path } is not protected by a passphrase, so the one that was given is not used: whoever takes this disk can read everything in it.
    A passphrase is set when the identity is made: starling init --passphrase, in another --data-dir
home-begun-unprotected = it was begun without a passphrase and holds no identity; take its directory away, then try again
passphrase-prompt = Passphrase:{" "}
passphrase-new = New passphrase:{" "}
passphrase-again = Again:{" "}
passphrase-differs = The two passphrases differ, or are empty. Nothing was changed; try again.
passphrase-set = The passphrase is set. Every command and the node need it from now on.
passphrase-removed = The passphrase is removed.
passphrase-none = Without a passphrase, whoever takes this disk can read everything in it. Set one with: starling passphrase
passphrase-running = The node is running. Stop it first; then change the passphrase.
stdin-not-utf8 = Standard input is not valid UTF-8 text.
not-running = No node is running here: messages wait. Start it with: starling run

## The local API

api-unauthorized = The token is missing or wrong. It stands in api.token of the data directory; send it as: Authorization: Bearer TOKEN
api-forbidden = Only programs on this machine may ask, at 127.0.0.1 or localhost.
api-busy = Too many event streams are open. Close one first.
api-storage = It could not be stored: { $reason }. Nothing was sent or changed; free some space or check the disk, then try again.
api-stopped = The node is shutting down. Try again when it runs.
api-gone = It is gone already.
api-no-route = There is nothing at this address. /v1/openapi.json lists what there is.
api-no-decision = The decision must be accept, decline, block or verify.
api-beacon-kind = The kind of a beacon must be sos or safe.
api-body = The body of the request cannot be used: { $reason }
api-query = The request cannot be used: { $reason }
refused-link = The link cannot be read: { $reason }. Copy the whole text again; it begins with STARLING:1/ and has 608 characters.
refused-own-link = This is your own link. Give it to others, and add theirs.
refused-unknown-contact = There is no contact with the account { $account }.
refused-unknown = There is no { $what } { $name }.
refused-state = This is not possible: { $state ->
    [added] you added this contact yourself. Nothing from there is taken once you say: starling block WHO
    [introduced] this contact was accepted. Nothing from there is taken once you say: starling block WHO
    [verified] this contact was accepted. Nothing from there is taken once you say: starling block WHO
    [request] this is a request that waits for your decision: starling accept WHO, or decline, or block
    [blocked] this contact is blocked.
   *[other] the contact is { $state }.
  }
refused-length = A { $what } has { $min } to { $max } bytes; this one has { $got }.
refused-message = Message { $id }: { $why }.
refused-full = There are at most { $limit } { $what } at a time. Take one back first.
refused-beacon = The beacon cannot be published: { $reason }
who-nobody = There is no contact “{ $who }”. Add somebody with: starling add LINK
who-not-found =
    There is no contact “{ $who }”. You know:
    { $list }
who-ambiguous =
    “{ $who }” fits several contacts. Write more of the name, or use the tag or the account:
    { $list }
no-message = There is no message { $id } that this can be said of. `starling messages --ids` shows the ids.
message-in-several = Several conversations have a message { $id }. Name the one you mean: --in WHO, or ?in= of the API.
bad-message-id = “{ $id }” is no message id: write its 32 hexadecimal digits, or at least the first 4.
bad-since = “{ $text }” is no time: write one such as 2026-11-22T08:00:00Z, or a span such as 2h or 7d.

## Identity

welcome =
    Welcome. Starling carries messages from device to device, with no server, no account and no internet.
    Your identity is a key that is made now, on this device.
welcome-done = You are { $name }. Show others your link with: starling id --qr
first-needs-terminal =
    There is no identity here yet, and no terminal to ask for a name.
    Make one with: starling init --name NAME   then start the node with: starling run
init-needs-name = Which name? Give it with --name NAME.
init-ask-name = What shall others call you?
init-name-length = A name has 1 to { $max } bytes; this one has { $got } once invisible characters are gone.
init-no-passphrase = Without a passphrase, whoever takes this disk can read everything in it. Set one with: starling passphrase
passphrase-new-terminal = There is no terminal to ask for the new passphrase. Use --new-file FILE, or --remove to have none.
init-passphrase-terminal = There is no terminal to ask for a passphrase. Use --passphrase-file or STARLING_PASSPHRASE.
init-done =
    You are { $name }. Your identity is in { $path }.
    Start your node with: starling run
    Show others your link with: starling id --qr   and add theirs with: starling add LINK
id =
    { $name }
    account  { $account }
    { $link }
invite = { $number }  { $uses }, { $ends }
    { $link }
invite-short = An invite is good for at least one person and one second.
invite-any = for anybody
invite-uses = { $uses ->
    [one] for one person
   *[other] for { $uses } people
  }
invite-until-revoked = until revoked
invite-for = for { $span } more
invite-none = There are no invites. Make one with: starling invite new
group = { $name }  { $role }, { $count ->
    [one] one member
   *[other] { $count } members
}  { $id }
group-role-admin = admin
group-role-member = member
group-role-left = left
group-none = You are in no group. Begin one with: starling group create NAME --member WHO
group-removed = { $who } is not in { $group } any more. Nothing that is written from now on can be read by them.
group-left = You left { $group }.
group-forgotten = { $group } is forgotten, and everything that was said in it.
group-set-nothing = Nothing to set: give --name, --about, --only-admins-post or --only-admins-edit.
join-link = { $number }  { $uses }, { $ends }, { $approve }
    { $link }
join-link-open = lets in at once
join-link-approve = you decide about everybody
join-link-ended = Link { $number } is taken back. Who comes by it from now on is told so.
join-no-links = There is no link into this group. Make one with: starling group link GROUP
join-no-requests = Nobody waits to be let in.
join-request = { $name }  { $tag }  { $account }
join-request-again = { $name }  { $tag }  { $account }  (was in this group before)
join-approved = { $who } is let in.
join-refused = { $who } is not let in, and will be told so.
join-nobody = Nobody called { $who } waits to be let in.
join-several = { $who } fits several who wait: name the account.
join-none = You asked to be let into no group. Ask with: starling group join LINK
join-asked = { $group }: asked. The answer comes once the device that made the link has heard of it, over others' devices if need be.
join-waits = { $group }: asked; a person there decides.
join-joined = { $group }: joined.
join-is-refused = { $group }: refused.
join-over = { $group }: this link was taken back, or its time is over.
join-used-up = { $group }: this link has let in as many as it may.
join-closed = { $group }: this link lets nobody in; its maker is no admin any more, or the group is full.
refused-group = That cannot be done in this group: { $why }.
who-no-group = There is no group { $who }. `starling group list` shows yours.
who-no-member = { $who } is not in this group. `starling group members` shows who is.
invite-revoked = Invite { $number } is revoked; nobody can use its link any more.

## People

added =
    Added { $name }. You can write at once: starling send "{ $name }" "Hello"
    They are told who you are and asked whether to accept you; until then your messages are not shown as delivered.
link-too-long = A link has 608 characters; what was given has { $got } bytes or more, and at most { $max } are read. Was the wrong file given?
contacts-none = You know nobody yet. Add somebody with: starling add LINK
decided = { $state ->
    [introduced] { $name } is accepted, and learns now that the messages arrived. Answer with: starling send "{ $name }" "Hello"
    [blocked] { $name } is blocked: everything from there is dropped silently from now on.
   *[other] { $name } is forgotten; nothing was sent.
  }
safety-number =
    Safety number with { $name }:
    { $digits }
safety-ask = Do both of you see the same digits? [y/N]
safety-how = Compare them in person or on a call. If both of you see the same: starling verify "{ $name }" --matches
verified = { $name } is verified.
confusable = Careful: another contact has a name that looks like { $name }.

## Messages

text-length = A text has 1 to { $max } bytes; this one has { $got }. Split it, or write something.
text-more = more
text-not-utf8 = The text is not valid UTF-8 (from byte { $at } on). Save it as UTF-8, or send it as something else.
sent = { $id }  { $state }
send-queued = No node is running: the message is stored and leaves with the next `starling run`.
spool-refused =
    A message to { $to } that waited in a file was refused: { $reason }
    It is not kept. It said: { $text }
spool-damaged = A message that waited in a file was damaged and is lost: { $reason }
send-spooled = Another process is using the data directory: the message waits in { $path } and is taken up by the next command or `starling run`.
send-expired = The message expired before it arrived.
send-timeout = The time ran out; the message goes on by itself. It is: { $state }
send-timeout-added =
    The time ran out; the message goes on by itself. It is: { $state }.
    { $name } has not accepted you yet, and a first message is acknowledged only after that.
state-waiting = waiting here
state-handed-on = { $carriers ->
    [one] handed on to one neighbour
   *[other] handed on to { $carriers } neighbours
  }
state-delivered = delivered
state-read = read
state-expired = expired
info = { $id }  { $state }, lives { $left } more
forecast = About { $percent } % of messages arrive within { $within }, as far as this device can tell.
forecast-unknown = How long it may take is not known yet: this device has met too few others.
info-hops = { $hops ->
    [one] over one link
   *[other] over { $hops } links
  }
me = me
export-exists = There is such a file already; nothing was written over.
exported = { $count } messages were written to { $file }. Anybody who has the file can read them.
conversations-none = There are no conversations here.
conversation-unread = unread
conversation-unread-count = { $count } unread
conversation-pinned = pinned
conversation-archived = archived
conversation-muted = mute
conversation-muted-until = mute until { $until }
conversation-timer = messages disappear after { $after }
conversation-draft = Draft: { $text }
bad-timer = Messages disappear after 30 seconds to 90 days, or not at all.
bad-once = What can be opened once answers nothing, names nobody and makes its usual sound.
message-timer-set = messages disappear from now on, { $after } after they were seen
message-timer-off = messages stay from now on
message-timer = disappears after { $after }
message-once = can be opened once: starling open { $id }
message-starred = starred
starred-none = No message has a star.
scheduled-none = Nothing waits for its time.
scheduled-cancelled = It will not be sent.
scheduled-refused = not sent: { $why }
no-scheduled = Nothing that waits for its time is called { $id }.
search-none = Nothing was found.
search-more = These are the newest { $shown }; there are more.
search-cut = This history is very long: only the latest part of it was searched.
search-long = A search has at most { $most } bytes.
search-nothing = Say what to look for: words, who wrote it, since when, or a kind.
search-kind = “{ $kind }” is no kind of message: { $kinds }.
bad-page = A page goes forward from `after` (with `first`), or backward from `before` (with `last`).
messages-none = There are no messages yet. Write one with: starling send WHO "Hello"
message-in-group = { $from } in { $group }
message-deleted = taken back
message-edited = edited
message-forwarded = forwarded
message-pinned = pinned
message-reply = answers { $id }
poll-closed = closed
bad-choice = The options of a poll have the numbers 1 to 12.
deleted = { $id } is gone.
follow-waits = No node is running: what comes is shown once one runs.
chat-opened = With { $name }. Type a line to send it; Ctrl-D ends.
chat-not-running = No node is running: what you write waits, and nothing new comes.

## Nearby

beacon-length = The text of a beacon has at most { $max } bytes, and an SOS says something; this one has { $got }.
beacon-published = { $id }  for everybody near. Take it back with: starling sos --cancel { $id }
beacon-cancelled = { $id }  taken back
beacon-not-running = No node is running, so nobody hears it yet. Start one with: starling run
peers-none = No neighbours right now. `starling doctor` looks for reasons.
peers-head = link  over    since  answers in  who
peer-unknown = somebody
status =
    { $name }
    { $links ->
        [one] one link
       *[other] { $links } links
    }
    carries { $envelopes ->
        [one] one envelope
       *[other] { $envelopes } envelopes
    } ({ $bytes })
    { $outbox ->
        [0] nothing waits
        [one] one message is on its way
       *[other] { $outbox } messages are on their way
    }

status-bluetooth-on = Bluetooth { $name }: on, { $heard ->
        [0] nobody in reach
        [one] one node in reach
       *[other] { $heard } nodes in reach
    }, { $links ->
        [one] one link
       *[other] { $links } links
    }
status-bluetooth = Bluetooth { $name }: { $state }
bluetooth-on = on
bluetooth-off = switched off
bluetooth-missing = there is no such adapter
bluetooth-no-service = the system's Bluetooth service does not run
bluetooth-denied = this program may not use it
bluetooth-broken = it does not work: { $reason }
bluetooth-starting = starting

## The node

run-ready =
    { $name } ({ $tag }) is running. Ctrl-C ends it.
    Neighbours reach it at: { $addresses }
run-waits = The data directory is held by { $holder }; waiting for it to end.
run-stopping = Stopping.
run-already = A node is running in { $path } already; commands use it by themselves.
run-no-api = The local API cannot be served from { $path }
run-no-lan = No links over LAN: { $reason }. Choose another --listen address, or run with --no-lan.
run-no-ble = No links over Bluetooth: { $reason }. Run with --no-ble to go without.
run-no-contact-log = The contact log { $path } cannot be begun: { $reason }. Name a file that does not exist yet.
run-message = A message came. Read it with: starling messages
run-beacon = { $kind } nearby: { $text }
run-mismatch = Somebody presented the keys of { $account } wrongly; nothing from them was accepted.
quarantined = Damaged records were found and put aside in { $path }; the mesh brings back what it can.
battery-unknown = the profiles are full, balanced and saver
rotation-short = at least 1s

## Doctor

doctor-ok = ok
doctor-bad = BAD
doctor-well = All is well.
doctor-failed = { $count ->
    [one] One check failed; see above what to do.
   *[other] { $count } checks failed; see above what to do.
  }
doctor-clock = Set the clock. Messages travel all the same, but their times are shown wrongly.
doctor-disk-free = { $free } free
doctor-disk = Free some space: less than { $needed } is left for envelopes.
doctor-directory = Check whether { $path } is mounted and readable.
doctor-read-only = Make { $path } writable for you, or name another directory with --data-dir.
doctor-mode = Others on this machine can look into it. Run: chmod 700 { $path }
doctor-identity-there = there
doctor-identity-none = none yet
doctor-identity = Make one with: starling init --name NAME
doctor-interfaces-none = no network interface is up
doctor-interfaces = Join a Wi-Fi, open a hotspot or plug in a cable; nodes on this machine meet all the same.
doctor-works = works
doctor-multicast = Neighbours are not found by themselves: allow UDP port 5353 in the firewall, or use run --peer HOST:PORT.
doctor-loopback = Nodes on this machine do not find each other: is the loopback interface up? Or use run --peer.
doctor-bluetooth-none = no adapter; Wi-Fi and LAN work without
doctor-bluetooth-not-here = not in this version on this system; Wi-Fi and LAN work without
doctor-bluetooth-unused = not used by this node
doctor-bluetooth-off = Switch Bluetooth on, for example: rfkill unblock bluetooth && bluetoothctl power on
doctor-bluetooth-no-service = Start the service, for example: systemctl start bluetooth
doctor-bluetooth-denied = Let your user use Bluetooth, for example: usermod -aG bluetooth USER, and log in again.
doctor-address-changes = the Bluetooth adapter's address changes
doctor-address-stays = the Bluetooth adapter's address stays the same: whoever listens nearby can follow it
doctor-address = Write Privacy = device under [General] in /etc/bluetooth/main.conf, then: systemctl restart bluetooth
doctor-bluetooth-broken = Unplug the adapter and plug it in again, or restart the service: systemctl restart bluetooth
doctor-node-runs = running
doctor-node-silent = the data directory is held by { $holder }, which does not answer
doctor-node-stuck = Let it go on or end it: nothing can be sent or received meanwhile.

## Demonstration

demo-intro =
    Five real nodes on this machine, without any network. You and Dina are on one side of a broken bridge,
    Asha and Emil on the other. Only Bo walks between, and Bo cannot read what he carries.
    Below: who stands where, and in brackets how many sealed envelopes each one carries.
demo-interrupted = The demonstration was interrupted.
demo-stuck = The demonstration is stuck at { $name }. Try again; if it stays so, please report it.
demo-born = { $name }: a new node with a key of its own.
demo-west = West: You and Dina find each other.
demo-east = East: Asha and Emil find each other.
demo-arrives = Bo comes to { $first } and { $second }.
demo-exchange = Their bags are compared; what one lacks, the other hands on.
demo-walks = Bo walks away with { $carried ->
    [one] one sealed envelope
   *[other] { $carried } sealed envelopes
  }. Nobody here is linked to the other side.
demo-added = You have Asha’s link from a slip of paper and add her: no network needed.
demo-wrote = { $name } → { $to }: “{ $text }”
demo-handed-on = Handed on: { $carriers ->
    [one] one neighbour holds
   *[other] { $carriers } neighbours hold
  } it safely on disk, sealed.
demo-received = Arrived and opened: { $from } → { $name }: “{ $text }”
demo-jitter = Bo stays a moment with { $name }. Receipts leave some seconds later, at random: the time must not tell whose they are.
demo-accepted = Asha accepts you as a contact.
demo-receipt = A receipt is home at { $name }: the message is { $state }, and all carriers forget it.
demo-ask = Now you. Type a message to Asha, who is on the other side (Enter for a ready one):
demo-text-first = Asha, are you all right over there?
demo-text-reply = We are safe. The hill road is open, tell Dina.
demo-added-dina = You add Dina, who is next to you.
demo-accepted-dina = Dina accepts you as a contact.
demo-street = Street
demo-street-renamed = Hill Street
demo-group = You begin the group “{ $name }” with Dina and Asha, who do not know each other.
demo-joined = { $name } is in the group: its members came sealed, with their keys.
demo-renamed = You call the group “{ $name }”. The other side does not know it yet.
demo-split = The group is split: each side goes on, and nobody waits for anybody.
demo-bridge = The bridge is open: Dina reaches both sides.
demo-healed = Everybody has read everything, and agrees on who is in the group and what it is called.
demo-text-west = Water is at the school from six.
demo-text-east = The clinic here has room for twenty.
demo-text-typed = Good to hear. I am coming over tomorrow with batteries.
demo-summary =
    { $nodes } nodes, { $messages } messages, { $delivered } delivered with receipts, in { $seconds } s.
    You and Asha were never linked. Start your own node with: starling

## Simulation

sim-stopped = Stopped; nothing was written.
sim-progress = { $at } of { $of }, { $speed } times as fast as life
sim-no-scenario = There is no scenario { $name }: neither a file nor one of { $known }.
sim-no-file = The file { $path } cannot be read: { $reason }
sim-not-text = { $path }, line { $line }: this is no UTF-8 text.
sim-no-folder = The folder { $path } cannot be written: { $reason }
sim-not-written = The file { $path } cannot be written
sim-bad-seeds = “{ $text }” is no range of seeds: write A..B with whole numbers, A before B, at most { $max } of them.
sim-bad-value = “{ $text }” is not allowed here; allowed is { $allowed }
sim-bad-set = “{ $text }” sets nothing: write KEY=VALUE, or KEY=VALUE,VALUE for a sweep.
sim-too-many = These are more than { $max } variations.
sim-no-result = { $path }, line { $line }: this is no result of a simulation ({ $reason }). Give it what --json printed.
sim-empty = it is empty
sim-report = The report is in { $path }
sim-missed = Seed { $seed } missed a threshold: { $missed }
sim-broken = Seed { $seed } broke the invariant “{ $invariant }” at { $at } ms, node { $node }: { $detail }
sim-none = nothing
sim-result =
    { $scenario }: { $nodes } nodes, { $messages } messages, { $runs ->
        [one] one run
       *[other] { $runs } runs
      }
      delivered  { $delivered } (possible: { $possible })
      delay      { $p50 } median (possible: { $oracle_p50 }), { $p90 } for nine in ten
      cost       { $copies } copies per delivery, { $bytes } on air
      time       { $sim } simulated in { $wall }; trace { $hash }
sim-listed = { $name }: { $title } ({ $nodes } nodes, { $length })
sim-point = { $set }: { $ratio } % delivered, { $p50 } median, { $copies } copies per delivery
sim-identical = Every run did the very same.
sim-compared = { $a } and { $b } runs, { $paired } of them with equal seeds.
sim-worse = Something got worse.
sim-no-commit = git knows no commit “{ $commit }” here: a hash, a branch or a tag is wanted.
sim-no-git = git does not answer here: { $reason }
sim-not-built = Commit { $commit } was not built: “{ $command }” failed.
sim-commit-failed = The program of commit { $commit } ran the scenario without a result.
sim-one-events = { $path } holds contacts alone. The ONE's events are needed, which tell messages too: `t C id from to size`.
sim-one =
    { $router }, { $runs } seeds
      delivery  { $delivery }
      overhead  { $overhead }
      latency   { $mean } s mean, { $median } s median
      hops      { $hops }
sim-faults = { $runs } worlds, { $faults } faults, { $delivered } messages delivered, { $broken ->
    [0] nothing broke
    [one] one failure
   *[other] { $broken } failures
  }
sim-replayed = { $nodes } nodes, { $faults } faults, { $delivered } of { $messages } messages delivered; trace { $hash }
swarm-starting = { $running } of { $nodes } nodes run
swarm-running = { $nodes } nodes run
swarm-stuck = Node { $node } does not listen.
swarm-name = { $scenario } (swarm)
swarm-result =
    { $nodes } nodes, { $messages } messages, { $links } links
      real       { $real } % delivered, { $real_p50 } median
      simulated  { $simulated } % delivered, { $simulated_p50 } median

# starling ble
ble-none = No Bluetooth adapter on this machine.
ble-used = used by the node
ble-advertising = can be found
ble-scanning = listening
ble-heard = { $count ->
    [one] one other node: { $strengths }
   *[other] { $count } other nodes: { $strengths }
}
ble-link = { $pipe }, { $room } B at once, { $rssi }, { $trip }, { $out }/s out, { $back }/s in, { $repeated } % sent again
