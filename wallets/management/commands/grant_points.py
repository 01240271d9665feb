import csv
import hashlib
import io
from pathlib import Path
from typing import NamedTuple

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import track

from accounts.models import ProjectGroup, User
from wallets.actions import grant_points
from wallets.models import MAX_POINTS, Transaction

MANY = 100  # from here on a progress bar is shown
BATCH_LENGTH = 80
ERRORS_SHOWN = 30
NOTE_LENGTH = Transaction._meta.get_field("note").max_length


class Grant(NamedTuple):
    place: str
    email: str
    points: str
    note: str


class Command(BaseCommand):
    help = (
        "Give points to one person or, from a CSV file with the columns email, points and note, to many."
        " A person gets points once per batch, so the same command may be run again after it was stopped."
    )

    def add_arguments(self, parser):
        parser.add_argument("email", nargs="?", help="who gets the points")
        parser.add_argument("points", nargs="?", help="how many")
        parser.add_argument("--group", metavar="ID", help="the number of a project group that gets the points instead")
        parser.add_argument("--csv", metavar="FILE", help="many at once: columns email, points and, if wanted, note")
        parser.add_argument(
            "--note", required=True, help="why; it stands in the statement where a line has no own note"
        )
        parser.add_argument("--batch", help="name by which a second run is known as such (default: the note)")
        parser.add_argument("--by", metavar="EMAIL", help="who grants; empty: the system")
        parser.add_argument("--dry-run", action="store_true", help="check everything and grant nothing")

    def handle(self, *, email, points, note, dry_run, batch, by, **options):
        if not note.strip():
            raise CommandError("--note is empty; say why the points are given.")
        if options["group"] and points is None:
            email, points = None, email  # the one word that stands there
        named = [bool(email), bool(options["csv"]), bool(options["group"])]
        if sum(named) != 1 or (points is None) != bool(options["csv"]):
            raise CommandError("Name one person or, by --group, a project group, and the points; or a file by --csv.")
        actor = self.person(by) if by else None
        if options["group"]:
            self.grant_to_group(options["group"], points, note, batch, actor, dry_run=dry_run)
            return
        grants = read_csv(options["csv"], note) if options["csv"] else [Grant("", email, points, note)]
        wanted = self.checked(grants, key_prefix(batch or note))
        open_grants = [row for row in wanted if not row["done"]]
        total = sum(row["points"] for row in open_grants)
        if not dry_run:
            self.grant(open_grants, actor)
        verb = "Would grant" if dry_run else "Granted"
        self.stdout.write(f"{verb} {counted(total, 'point')} to {counted(len(open_grants), 'person', 'people')}.")
        if len(open_grants) < len(wanted):
            self.stdout.write(f"{counted(len(wanted) - len(open_grants), 'person', 'people')} had them already.")

    def grant_to_group(self, number, points, note, batch, actor, *, dry_run):
        """Once per batch, as for people."""
        pk = int(number) if number.isascii() and number.isdigit() and len(number) < 19 else 0
        group = ProjectGroup.objects.active().filter(pk=pk).first()
        if group is None:
            raise CommandError(f"There is no project group with the number “{number}”.")
        if (amount := parsed_points(points)) is None:
            raise CommandError(f"“{points}” is no number of points; write a whole number from 1 to {MAX_POINTS}.")
        if len(note) > NOTE_LENGTH:
            raise CommandError(f"The note has {len(note)} characters; {NOTE_LENGTH} fit.")
        key = f"{key_prefix(batch or note)}:group-{group.pk}"
        earlier = granted_before([key])
        if earlier.get(key, amount) != amount:
            raise CommandError(f"{group} got {earlier[key]} points in this batch before; name another --batch.")
        if not dry_run:
            grant_points(group, points=amount, by=actor, note=note, idempotency_key=key)
        verb = "Would grant" if dry_run else "Granted"
        done = f"{group} had them already." if earlier else f"{verb} {counted(amount, 'point')} to {group}."
        self.stdout.write(done)

    def grant(self, rows, actor):
        """Each in a transaction of its own: a long list must not keep everybody else waiting."""
        bar = track(
            rows,
            description="Granting points",
            console=Console(file=self.stderr._out, stderr=True),
            disable=len(rows) < MANY,
        )
        for row in bar:
            grant_points(row["user"], points=row["points"], by=actor, note=row["note"], idempotency_key=row["key"])

    def checked(self, grants, prefix):
        """What is to be done, line by line. One wrong line, and nothing is granted at all."""
        people = people_by_email({grant.email.strip().lower() for grant in grants})
        earlier = granted_before([f"{prefix}:{user.pk}" for user in people.values()])
        seen, errors, rows = {}, [], []
        for grant in grants:
            address = grant.email.strip().lower()
            user, points = people.get(address), parsed_points(grant.points)
            key = f"{prefix}:{user.pk}" if user else None
            error = None
            if user is None:
                error = f"nobody here has the address “{grant.email}”."
            elif not user.is_active:
                error = f"{address} is deactivated."
            elif address in seen:
                error = f"{address} stands in {seen[address]} already."
            elif points is None:
                error = f"“{grant.points}” is no number of points; write a whole number from 1 to {MAX_POINTS}."
            elif len(grant.note) > NOTE_LENGTH:
                error = f"the note has {len(grant.note)} characters; {NOTE_LENGTH} fit."
            elif earlier.get(key, points) != points:
                error = f"{address} got {earlier[key]} points in this batch before, not {points}; name another --batch."
            if error:
                errors.append(f"{grant.place}: {error}" if grant.place else error[0].upper() + error[1:])
                continue
            seen[address] = grant.place
            rows.append({"user": user, "points": points, "note": grant.note, "key": key, "done": key in earlier})
        if errors:
            more = [f"… and {len(errors) - ERRORS_SHOWN} more."] if len(errors) > ERRORS_SHOWN else []
            raise CommandError("\n".join(["Nothing was granted.", *errors[:ERRORS_SHOWN], *more]))
        return rows

    def person(self, email):
        try:
            return User.objects.get(email__iexact=email)
        except User.DoesNotExist:
            raise CommandError(f"--by: nobody here has the address “{email}”.") from None


def read_csv(name, default_note):
    """The lines of the file as grants. Comma or semicolon (as Excel writes it in many countries), UTF-8."""
    try:
        text = Path(name).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise CommandError(f"{name}, line {line}: not UTF-8; save it as “CSV UTF-8”.") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise CommandError(f"Nothing was granted.\n{name}, line {line}: a NUL byte; this is no text file.")
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in first else ",", strict=True)
    try:
        columns = [column.strip().lower() for column in next(reader, [])]
        if not {"email", "points"} <= set(columns) <= {"email", "points", "note"} or len(set(columns)) < len(columns):
            raise CommandError(f"{name}, line 1: the columns must be email, points and, if wanted, note.")
        grants = []
        for cells in reader:
            place = f"{name}, line {reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(columns):
                raise CommandError(f"Nothing was granted.\n{place}: {len(cells)} columns instead of {len(columns)}.")
            line = dict(zip(columns, cells, strict=True))
            grants.append(Grant(place, line["email"], line["points"], line.get("note", "").strip() or default_note))
    except csv.Error as error:
        raise CommandError(f"Nothing was granted.\n{name}, line {reader.line_num}: {error}.") from None
    if not grants:
        raise CommandError(f"{name} has no lines below the header.")
    return grants


def key_prefix(batch):
    """What the idempotency keys of a batch begin with; a long name gives a digest, because keys are short."""
    name = batch if len(batch) <= BATCH_LENGTH else hashlib.sha256(batch.encode()).hexdigest()
    return f"grant:{name}"


def parsed_points(text):
    text = text.strip()
    points = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_POINTS)) else 0
    return points if 1 <= points <= MAX_POINTS else None


def people_by_email(addresses):
    found = {}
    for some in chunks(sorted(addresses)):
        found.update((user.email.lower(), user) for user in User.objects.filter(email__in=some))
    return found


def granted_before(keys):
    """How many points the keys of this batch gave before."""
    points = {}
    for some in chunks(keys):
        rows = Transaction.objects.filter(idempotency_key__in=some).values_list("idempotency_key", "transfers__points")
        points.update(rows)
    return points


def chunks(values, size=500):
    return (values[start : start + size] for start in range(0, len(values), size))


def counted(number, one, many=None):
    return f"{number} {one if number == 1 else many or one + 's'}"
