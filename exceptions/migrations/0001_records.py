import datetime
import django.contrib.postgres.indexes
from django.contrib.postgres.operations import TrigramExtension
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
import django_fsm
import exceptions.models.team
import q2c.keys
import q2c.states
import simple_history.models
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        TrigramExtension(),
        # The numbers people say: C-1042, P-7, R-3.
        migrations.RunSQL(
            "CREATE SEQUENCE exceptions_case_number START 1001; CREATE SEQUENCE exceptions_problem_number; "
            "CREATE SEQUENCE exceptions_batch_number;",
            "DROP SEQUENCE exceptions_case_number; DROP SEQUENCE exceptions_problem_number; "
            "DROP SEQUENCE exceptions_batch_number;",
        ),
        migrations.CreateModel(
            name='Case',
            fields=[
                ('id', models.UUIDField(default=q2c.keys.new_id, editable=False, primary_key=True, serialize=False)),
                ('correlation_id', models.UUIDField(default=q2c.keys.new_id, editable=False)),
                ('number', models.BigIntegerField(db_default=models.Func(models.Value('exceptions_case_number'), function='nextval'), unique=True)),
                ('state', q2c.states.StateField(default='open', editable=False, max_length=24, protected=True)),
                ('step_id', models.UUIDField(null=True, unique=True)),
                ('event_id', models.UUIDField(null=True)),
                ('stage', models.CharField(blank=True, max_length=40)),
                ('part', models.CharField(blank=True, max_length=80)),
                ('reason', models.CharField(max_length=40)),
                ('text', models.TextField()),
                ('code', models.CharField(blank=True, max_length=120)),
                ('field', models.CharField(blank=True, max_length=200)),
                ('severity', models.CharField(choices=[('urgent', 'urgent'), ('high', 'high'), ('normal', 'normal'), ('low', 'low')], max_length=8)),
                ('connection', models.CharField(blank=True, max_length=60)),
                ('blocker_connection', models.CharField(blank=True, max_length=60)),
                ('blocker_type', models.CharField(blank=True, max_length=60)),
                ('blocker_key', models.CharField(blank=True, max_length=200)),
                ('blocker_condition', models.CharField(blank=True, max_length=60)),
                ('owner_by_hand', models.BooleanField(default=False)),
                ('amount_minor', models.BigIntegerField(null=True)),
                ('currency', models.CharField(blank=True, max_length=3)),
                ('entity', models.CharField(blank=True, max_length=20)),
                ('period', models.CharField(blank=True, max_length=20)),
                ('business_key', models.CharField(blank=True, max_length=80)),
                ('customer', models.CharField(blank=True, max_length=200)),
                ('customer_key', models.CharField(blank=True, max_length=64)),
                ('source', models.CharField(blank=True, max_length=60)),
                ('target', models.CharField(blank=True, max_length=60)),
                ('context', models.JSONField(blank=True, default=dict)),
                ('opened_at', models.DateTimeField()),
                ('last_failed_at', models.DateTimeField()),
                ('level_from', models.DateTimeField()),
                ('level_h', models.PositiveSmallIntegerField()),
                ('paused_s', models.PositiveIntegerField(default=0)),
                ('due_at', models.DateTimeField()),
                ('snoozed_at', models.DateTimeField(null=True)),
                ('snoozed_until', models.DateTimeField(null=True)),
                ('snooze_until_blocker', models.BooleanField(default=False)),
                ('attempts', models.PositiveIntegerField(default=1)),
                ('resolved_at', models.DateTimeField(null=True)),
                ('resolution', models.CharField(blank=True, choices=[('fixed_by_replay', 'fixed_by_replay'), ('resolved_by_itself', 'resolved_by_itself'), ('closed_without_fix', 'closed_without_fix'), ('superseded', 'superseded')], max_length=20)),
                ('root_cause', models.CharField(blank=True, choices=[('master_data', 'master_data'), ('order_entry', 'order_entry'), ('platform_setup', 'platform_setup'), ('platform_fault', 'platform_fault'), ('period_close', 'period_close'), ('interface_error', 'interface_error'), ('duplicate', 'duplicate'), ('test_data', 'test_data'), ('other', 'other')], max_length=20)),
                ('document', models.CharField(blank=True, max_length=200)),
                ('proof', models.JSONField(blank=True, default=dict)),
                ('raw_hash', models.BinaryField(max_length=32, null=True)),
                ('haystack', models.GeneratedField(db_persist=True, expression=django.db.models.functions.text.Lower(django.db.models.functions.text.Concat(models.F('business_key'), models.Value(' '), models.F('customer'), models.Value(' '), models.F('customer_key'), models.Value(' '), models.F('document'), models.Value(' '), models.F('code'), models.Value(' '), output_field=models.TextField())), output_field=models.TextField())),
                ('assignee', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='cases', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'permissions': [('work_case', 'Can assign, claim, comment and snooze cases'), ('replay_case', 'Can replay a case'), ('bulk_replay', 'Can replay many cases at once'), ('close_case', 'Can ask to close a case without a fix'), ('approve_case', 'Can decide what another person asked for')],
                'default_permissions': ('view',),
            },
            bases=(django_fsm.ConcurrentTransitionMixin, models.Model),
        ),
        migrations.CreateModel(
            name='Facet',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(max_length=24)),
                ('reason', models.CharField(max_length=40)),
                ('owner_team', models.CharField(max_length=40)),
                ('severity', models.CharField(max_length=8)),
                ('entity', models.CharField(blank=True, max_length=20)),
                ('period', models.CharField(blank=True, max_length=20)),
                ('currency', models.CharField(blank=True, max_length=3)),
                ('cases', models.BigIntegerField()),
                ('amount_minor', models.BigIntegerField()),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Problem',
            fields=[
                ('id', models.UUIDField(default=q2c.keys.new_id, editable=False, primary_key=True, serialize=False)),
                ('correlation_id', models.UUIDField(default=q2c.keys.new_id, editable=False)),
                ('number', models.BigIntegerField(db_default=models.Func(models.Value('exceptions_problem_number'), function='nextval'), unique=True)),
                ('state', q2c.states.StateField(default='open', editable=False, max_length=24, protected=True)),
                ('kind', models.CharField(choices=[('cases', 'cases'), ('connection', 'connection')], default='cases', max_length=12)),
                ('fingerprint', models.CharField(max_length=64, unique=True)),
                ('reason', models.CharField(max_length=40)),
                ('title', models.CharField(max_length=300)),
                ('connection', models.CharField(blank=True, max_length=60)),
                ('code', models.CharField(blank=True, max_length=120)),
                ('blocker_connection', models.CharField(blank=True, max_length=60)),
                ('blocker_type', models.CharField(blank=True, max_length=60)),
                ('blocker_key', models.CharField(blank=True, max_length=200)),
                ('blocker_condition', models.CharField(blank=True, max_length=60)),
                ('severity', models.CharField(choices=[('urgent', 'urgent'), ('high', 'high'), ('normal', 'normal'), ('low', 'low')], max_length=8)),
                ('first_seen_at', models.DateTimeField()),
                ('last_seen_at', models.DateTimeField(help_text='Of a connection; that of cases is in their totals')),
                ('resolved_at', models.DateTimeField(null=True)),
                ('waiting', models.JSONField(blank=True, default=dict, help_text='Of a connection: noun, count, amounts by currency')),
            ],
            options={
                'default_permissions': ('view',),
            },
        ),
        migrations.CreateModel(
            name='RawBody',
            fields=[
                ('case', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='raw', serialize=False, to='exceptions.case')),
                ('body', models.BinaryField()),
                ('content_type', models.CharField(blank=True, max_length=120)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='HistoricalTeam',
            fields=[
                ('code', models.SlugField(max_length=40)),
                ('name', models.CharField(db_index=True, max_length=80)),
                ('zone', models.CharField(default='UTC', max_length=60, validators=[exceptions.models.team.known_zone])),
                ('opens_at', models.TimeField(default=datetime.time(8, 0))),
                ('closes_at', models.TimeField(default=datetime.time(18, 0))),
                ('workdays', models.CharField(default='12345', max_length=7, validators=[django.core.validators.RegexValidator('^(?!.*(.).*\\1)[1-7]+$', 'Digits 1 to 7, each once')])),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical team',
                'verbose_name_plural': 'historical teams',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.AddField(
            model_name='case',
            name='problem',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='cases', to='exceptions.problem'),
        ),
        migrations.CreateModel(
            name='ProblemAmount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(max_length=24)),
                ('entity', models.CharField(blank=True, max_length=20)),
                ('period', models.CharField(blank=True, max_length=20)),
                ('currency', models.CharField(blank=True, max_length=3)),
                ('cases', models.BigIntegerField()),
                ('amount_minor', models.BigIntegerField()),
                ('first_at', models.DateTimeField(null=True)),
                ('last_at', models.DateTimeField(null=True)),
                ('problem', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='amounts', to='exceptions.problem')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='ReplayBatch',
            fields=[
                ('id', models.UUIDField(default=q2c.keys.new_id, editable=False, primary_key=True, serialize=False)),
                ('correlation_id', models.UUIDField(default=q2c.keys.new_id, editable=False)),
                ('number', models.BigIntegerField(db_default=models.Func(models.Value('exceptions_batch_number'), function='nextval'), unique=True)),
                ('state', q2c.states.StateField(default='dry_run', editable=False, max_length=24, protected=True)),
                ('title', models.CharField(max_length=300)),
                ('why', models.TextField(blank=True)),
                ('size', models.PositiveIntegerField(default=0)),
                ('totals', models.JSONField(blank=True, default=dict)),
                ('canary', models.PositiveIntegerField(default=0)),
                ('stop_after', models.PositiveIntegerField(default=0)),
                ('created_at', models.DateTimeField()),
                ('queued_at', models.DateTimeField(null=True)),
                ('ended_at', models.DateTimeField(null=True)),
                ('ended_because', models.TextField(blank=True)),
                ('created_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'default_permissions': (),
            },
            bases=(django_fsm.ConcurrentTransitionMixin, models.Model),
        ),
        migrations.CreateModel(
            name='Offer',
            fields=[
                ('id', models.UUIDField(default=q2c.keys.new_id, editable=False, primary_key=True, serialize=False)),
                ('correlation_id', models.UUIDField(default=q2c.keys.new_id, editable=False)),
                ('state', q2c.states.StateField(default='open', editable=False, max_length=24, protected=True)),
                ('blocker_connection', models.CharField(blank=True, max_length=60)),
                ('blocker_type', models.CharField(max_length=60)),
                ('blocker_key', models.CharField(max_length=200)),
                ('blocker_condition', models.CharField(max_length=60)),
                ('title', models.TextField()),
                ('cases', models.PositiveIntegerField()),
                ('totals', models.JSONField(default=list)),
                ('created_at', models.DateTimeField()),
                ('counted_at', models.DateTimeField()),
                ('raised_by', models.CharField(max_length=150)),
                ('decided_at', models.DateTimeField(null=True)),
                ('decided_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('batch', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='offers', to='exceptions.replaybatch')),
            ],
            options={
                'default_permissions': (),
            },
            bases=(django_fsm.ConcurrentTransitionMixin, models.Model),
        ),
        migrations.CreateModel(
            name='ReplayItem',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('ordinal', models.PositiveIntegerField()),
                ('step_id', models.UUIDField(null=True)),
                ('outcome', models.CharField(choices=[('queued', 'queued'), ('sent', 'sent'), ('unknown', 'unknown'), ('confirmed', 'confirmed'), ('failed_again', 'failed_again'), ('skipped', 'skipped')], default='queued', max_length=12)),
                ('amount_minor', models.BigIntegerField(null=True)),
                ('currency', models.CharField(blank=True, max_length=3)),
                ('document', models.CharField(blank=True, max_length=200)),
                ('reason', models.CharField(blank=True, max_length=40)),
                ('problem_id', models.UUIDField(help_text='The cause for which it failed again', null=True)),
                ('text', models.TextField(blank=True)),
                ('preview', models.JSONField(help_text='What the dry run found: lines, period, checks', null=True)),
                ('at', models.DateTimeField()),
                ('batch', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='items', to='exceptions.replaybatch')),
                ('case', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='replays', to='exceptions.case')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Team',
            fields=[
                ('code', models.SlugField(max_length=40, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=80, unique=True)),
                ('zone', models.CharField(default='UTC', max_length=60, validators=[exceptions.models.team.known_zone])),
                ('opens_at', models.TimeField(default=datetime.time(8, 0))),
                ('closes_at', models.TimeField(default=datetime.time(18, 0))),
                ('workdays', models.CharField(default='12345', max_length=7, validators=[django.core.validators.RegexValidator('^(?!.*(.).*\\1)[1-7]+$', 'Digits 1 to 7, each once')])),
                ('members', models.ManyToManyField(blank=True, related_name='teams', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.AddField(
            model_name='problem',
            name='owner_team',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='problems', to='exceptions.team'),
        ),
        migrations.CreateModel(
            name='Policy',
            fields=[
                ('reason', models.CharField(max_length=40, primary_key=True, serialize=False)),
                ('title', models.CharField(max_length=120)),
                ('sentence', models.TextField()),
                ('severity', models.CharField(choices=[('urgent', 'urgent'), ('high', 'high'), ('normal', 'normal'), ('low', 'low')], max_length=8)),
                ('service_level_h', models.PositiveSmallIntegerField()),
                ('retry_attempts', models.PositiveSmallIntegerField(default=0)),
                ('retry_first_s', models.PositiveIntegerField(default=0)),
                ('retry_max_s', models.PositiveIntegerField(default=0)),
                ('look', models.TextField(help_text='What to look at')),
                ('fix', models.TextField(help_text='What to put right, and where')),
                ('replay', models.TextField(help_text='What happens on replay')),
                ('fix_kind', models.CharField(help_text='What kind of record the fix button opens', max_length=40)),
                ('owner_team', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='policies', to='exceptions.team')),
            ],
            options={
                'verbose_name_plural': 'policies',
                'ordering': ['reason'],
            },
        ),
        migrations.CreateModel(
            name='Holiday',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField()),
                ('name', models.CharField(blank=True, max_length=80)),
                ('team', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='holidays', to='exceptions.team')),
            ],
            options={
                'ordering': ['day'],
            },
        ),
        migrations.CreateModel(
            name='HistoricalTeam_members',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('m2m_history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, to='exceptions.historicalteam')),
                ('user', models.ForeignKey(blank=True, db_constraint=False, db_tablespace='', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('team', models.ForeignKey(blank=True, db_constraint=False, db_tablespace='', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='exceptions.team')),
            ],
            options={
                'verbose_name': 'HistoricalTeam_members',
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalPolicy',
            fields=[
                ('reason', models.CharField(db_index=True, max_length=40)),
                ('title', models.CharField(max_length=120)),
                ('sentence', models.TextField()),
                ('severity', models.CharField(choices=[('urgent', 'urgent'), ('high', 'high'), ('normal', 'normal'), ('low', 'low')], max_length=8)),
                ('service_level_h', models.PositiveSmallIntegerField()),
                ('retry_attempts', models.PositiveSmallIntegerField(default=0)),
                ('retry_first_s', models.PositiveIntegerField(default=0)),
                ('retry_max_s', models.PositiveIntegerField(default=0)),
                ('look', models.TextField(help_text='What to look at')),
                ('fix', models.TextField(help_text='What to put right, and where')),
                ('replay', models.TextField(help_text='What happens on replay')),
                ('fix_kind', models.CharField(help_text='What kind of record the fix button opens', max_length=40)),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('owner_team', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='exceptions.team')),
            ],
            options={
                'verbose_name': 'historical policy',
                'verbose_name_plural': 'historical policies',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalHoliday',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('day', models.DateField()),
                ('name', models.CharField(blank=True, max_length=80)),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('team', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='exceptions.team')),
            ],
            options={
                'verbose_name': 'historical holiday',
                'verbose_name_plural': 'historical holidays',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.AddField(
            model_name='case',
            name='owner_team',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='cases', to='exceptions.team'),
        ),
        migrations.CreateModel(
            name='Approval',
            fields=[
                ('id', models.UUIDField(default=q2c.keys.new_id, editable=False, primary_key=True, serialize=False)),
                ('correlation_id', models.UUIDField(default=q2c.keys.new_id, editable=False)),
                ('state', q2c.states.StateField(default='requested', editable=False, max_length=24, protected=True)),
                ('subject_type', models.CharField(max_length=20)),
                ('subject_id', models.CharField(max_length=80)),
                ('action', models.CharField(max_length=40)),
                ('reason', models.TextField()),
                ('amount_minor', models.BigIntegerField(null=True)),
                ('currency', models.CharField(blank=True, max_length=3)),
                ('data', models.JSONField(blank=True, default=dict)),
                ('requested_at', models.DateTimeField()),
                ('decided_at', models.DateTimeField(null=True)),
                ('decision', models.TextField(blank=True)),
                ('decided_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('requested_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('case', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='approvals', to='exceptions.case')),
            ],
            options={
                'default_permissions': (),
                'indexes': [models.Index(condition=models.Q(('state', 'requested')), fields=['requested_at', 'id'], name='approval_to_decide'), models.Index(fields=['case', 'state'], name='approval_of_case')],
                'constraints': [models.CheckConstraint(condition=models.Q(('decided_by__isnull', True), ('requested_by__isnull', True), models.Q(('decided_by', models.F('requested_by')), _negated=True), _connector='OR'), name='approval_by_another_person'), models.CheckConstraint(condition=models.Q(models.Q(('state__in', ('approved', 'refused')), _negated=True), models.Q(('decided_by__isnull', False), ('decided_at__isnull', False)), _connector='OR'), name='approval_decided_by_someone'), models.UniqueConstraint(condition=models.Q(('state', 'requested')), fields=('subject_type', 'subject_id', 'action'), name='approval_asked_once')],
            },
            bases=(django_fsm.ConcurrentTransitionMixin, models.Model),
        ),
        migrations.CreateModel(
            name='CaseEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('opened', 'opened'), ('failed_again', 'failed_again'), ('reopened', 'reopened'), ('cause_changed', 'cause_changed'), ('assigned', 'assigned'), ('claimed', 'claimed'), ('released', 'released'), ('commented', 'commented'), ('snoozed', 'snoozed'), ('woken', 'woken'), ('rerouted', 'rerouted'), ('replay_requested', 'replay_requested'), ('replay_sent', 'replay_sent'), ('replay_confirmed', 'replay_confirmed'), ('replay_failed', 'replay_failed'), ('outcome_unknown', 'outcome_unknown'), ('approval_requested', 'approval_requested'), ('approved', 'approved'), ('approval_refused', 'approval_refused'), ('approval_withdrawn', 'approval_withdrawn'), ('closed_without_fix', 'closed_without_fix'), ('resolved', 'resolved'), ('refused', 'refused'), ('offered', 'offered')], max_length=24)),
                ('at', models.DateTimeField()),
                ('actor', models.CharField(max_length=150)),
                ('text', models.TextField(blank=True)),
                ('data', models.JSONField(blank=True, default=dict)),
                ('case', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='events', to='exceptions.case')),
            ],
            options={
                'default_permissions': (),
                'indexes': [models.Index(fields=['case', 'id'], name='case_event_of_case')],
            },
        ),
        migrations.CreateModel(
            name='Comment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('text', models.TextField()),
                ('author', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('case', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='comments', to='exceptions.case')),
            ],
            options={
                'default_permissions': (),
                'indexes': [models.Index(fields=['case', 'id'], name='comment_of_case')],
            },
        ),
        migrations.AddIndex(
            model_name='replaybatch',
            index=models.Index(condition=models.Q(('state__in', ('queued', 'running'))), fields=['state', 'queued_at'], name='batch_to_work'),
        ),
        migrations.AddIndex(
            model_name='replaybatch',
            index=models.Index(fields=['-created_at', '-id'], name='batch_newest'),
        ),
        migrations.AddIndex(
            model_name='offer',
            index=models.Index(condition=models.Q(('state', 'open')), fields=['-created_at', '-id'], name='offer_open'),
        ),
        migrations.AddConstraint(
            model_name='offer',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'open')), fields=('blocker_type', 'blocker_key', 'blocker_connection', 'blocker_condition'), name='offer_once'),
        ),
        migrations.AddIndex(
            model_name='replayitem',
            index=models.Index(condition=models.Q(('outcome', 'queued')), fields=['batch', 'ordinal'], name='replay_item_to_send'),
        ),
        migrations.AddIndex(
            model_name='replayitem',
            index=models.Index(condition=models.Q(('outcome__in', ('sent', 'unknown'))), fields=['step_id'], name='replay_item_underway'),
        ),
        migrations.AddIndex(
            model_name='replayitem',
            index=models.Index(fields=['batch', 'outcome'], name='replay_item_outcome'),
        ),
        migrations.AddConstraint(
            model_name='replayitem',
            constraint=models.UniqueConstraint(fields=('batch', 'ordinal'), name='replay_item_ordinal'),
        ),
        migrations.AddConstraint(
            model_name='replayitem',
            constraint=models.UniqueConstraint(fields=('batch', 'case'), name='replay_item_once'),
        ),
        migrations.AddConstraint(
            model_name='team',
            constraint=models.CheckConstraint(condition=models.Q(('opens_at__lt', models.F('closes_at'))), name='team_opens_before_it_closes'),
        ),
        migrations.AddConstraint(
            model_name='team',
            constraint=models.CheckConstraint(condition=models.Q(('workdays__regex', '^[1-7]+$')), name='team_works_some_day'),
        ),
        migrations.AddIndex(
            model_name='problem',
            index=models.Index(condition=models.Q(('state', 'open')), fields=['owner_team', 'last_seen_at'], name='problem_open_of_team'),
        ),
        migrations.AddIndex(
            model_name='problem',
            index=models.Index(condition=models.Q(('state', 'resolved')), fields=['-resolved_at', '-id'], name='problem_resolved'),
        ),
        migrations.AddConstraint(
            model_name='policy',
            constraint=models.CheckConstraint(condition=models.Q(('service_level_h__gt', 0)), name='policy_has_service_level'),
        ),
        migrations.AddConstraint(
            model_name='policy',
            constraint=models.CheckConstraint(condition=models.Q(('retry_max_s__gte', models.F('retry_first_s'))), name='policy_retry_grows'),
        ),
        migrations.AddConstraint(
            model_name='holiday',
            constraint=models.UniqueConstraint(fields=('team', 'day'), name='holiday_once', nulls_distinct=False),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('state__in', ('open', 'in_progress', 'reopened'))), fields=['due_at', 'id'], name='case_tab_open'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('state__in', ('open', 'in_progress', 'reopened'))), fields=['owner_team', 'due_at', 'id'], name='case_tab_team'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('state__in', ('open', 'in_progress', 'reopened', 'awaiting_approval', 'replaying', 'snoozed'))), fields=['assignee', 'due_at', 'id'], name='case_tab_mine'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('state', 'snoozed')), fields=['due_at', 'id'], name='case_tab_snoozed'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('state', 'replaying')), fields=['due_at', 'id'], name='case_tab_replaying'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('state', 'awaiting_approval')), fields=['due_at', 'id'], name='case_tab_approval'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('state__in', ('resolved', 'closed_without_fix'))), fields=['-resolved_at', '-id'], name='case_tab_resolved'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('state__in', ('open', 'in_progress', 'reopened', 'awaiting_approval', 'replaying', 'snoozed'))), fields=['problem', 'due_at', 'id'], name='case_of_problem'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('state__in', ('open', 'in_progress', 'reopened', 'awaiting_approval', 'replaying', 'snoozed'))), fields=['reason', 'due_at', 'id'], name='case_by_reason'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('state__in', ('open', 'in_progress', 'reopened', 'awaiting_approval', 'replaying', 'snoozed'))), fields=['entity', 'period', 'due_at', 'id'], name='case_by_entity'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('state__in', ('open', 'in_progress', 'reopened', 'awaiting_approval', 'replaying', 'snoozed')), models.Q(('blocker_type', ''), _negated=True)), fields=['blocker_type', 'blocker_key', 'blocker_connection'], name='case_by_blocker'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('state', 'snoozed')), fields=['snoozed_until'], name='case_to_wake'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(fields=['event_id'], name='case_of_event'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(fields=['business_key'], name='case_business_key', opclasses=['text_pattern_ops']),
        ),
        migrations.AddIndex(
            model_name='case',
            index=django.contrib.postgres.indexes.GinIndex(fields=['haystack'], name='case_haystack', opclasses=['gin_trgm_ops']),
        ),
        migrations.AddConstraint(
            model_name='case',
            constraint=models.CheckConstraint(condition=models.Q(('amount_minor__isnull', True), models.Q(('currency', ''), _negated=True), _connector='OR'), name='case_amount_has_currency'),
        ),
        migrations.AddConstraint(
            model_name='case',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'snoozed'), _negated=True), ('snoozed_at__isnull', False), _connector='OR'), name='case_snoozed_when'),
        ),
        migrations.AddConstraint(
            model_name='case',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state__in', ('resolved', 'closed_without_fix')), _negated=True), models.Q(('resolved_at__isnull', False), models.Q(('resolution', ''), _negated=True)), _connector='OR'), name='case_ended_how'),
        ),
        migrations.AddConstraint(
            model_name='case',
            constraint=models.UniqueConstraint(condition=models.Q(('raw_hash__isnull', False), ('state__in', ('open', 'in_progress', 'reopened', 'awaiting_approval', 'replaying', 'snoozed'))), fields=('source', 'raw_hash'), name='case_raw_once'),
        ),
    ]
