"""Who may do what, and proof of what was done: people, roles, policies, gates, secrets and the audit log.

One function for each room's tables. Forward only, as all migrations are.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _keys()
    _secrets()
    _accounts()
    _sign_in()
    _teams()
    _grants()
    _audit_columns()
    _audit_search()
    _federation()
    _people()
    _gates()
    _audit()


def _accounts() -> None:
    op.add_column("users", sa.Column("role", sa.String(length=16), nullable=False, server_default="member"))
    op.add_column("users", sa.Column("kind", sa.String(length=8), nullable=False, server_default="user"))
    op.execute(sa.text("UPDATE users SET role = 'owner' WHERE admin"))
    op.drop_column("users", "admin")
    op.add_column("tokens", sa.Column("policy", sa.Text(), nullable=True))


def _sign_in() -> None:
    op.add_column("sessions", sa.Column("agent", sa.String(length=200), nullable=False, server_default=""))
    op.add_column("sessions", sa.Column("last_seen_at", sa.String(length=32), nullable=False, server_default=""))
    op.add_column("sign_in_links", sa.Column("made_by", sa.String(length=254), nullable=False, server_default=""))
    op.create_table(
        "second_factors",
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("seed", sa.Text(), nullable=False),
        sa.Column("last_step", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("confirmed_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_second_factors_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_second_factors")),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_recovery_codes_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "digest", name=op.f("pk_recovery_codes")),
    )
    op.create_table(
        "waiting_sign_ins",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("expires_at", sa.String(length=32), nullable=False),
        sa.Column("link_by", sa.String(length=254), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_waiting_sign_ins_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_waiting_sign_ins")),
    )
    op.create_index(op.f("ix_waiting_sign_ins_user_id"), "waiting_sign_ins", ["user_id"], unique=False)


def _teams() -> None:
    op.create_table(
        "teams",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("title", sa.String(length=120), nullable=False),
        sa.Column("parent_id", sa.String(length=40), nullable=True),
        sa.Column("external_id", sa.String(length=255), nullable=True),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["teams.id"], name=op.f("fk_teams_parent_id_teams")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_teams")),
        sa.UniqueConstraint("name", name=op.f("uq_teams_name")),
    )
    op.create_table(
        "team_members",
        sa.Column("team_id", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["team_id"], ["teams.id"], name=op.f("fk_team_members_team_id_teams"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_team_members_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("team_id", "user_id", "source", name=op.f("pk_team_members")),
    )
    op.create_index(op.f("ix_team_members_user_id"), "team_members", ["user_id"], unique=False)
    with op.batch_alter_table("projects") as projects:
        projects.add_column(sa.Column("team_id", sa.String(length=40), nullable=True))
        projects.create_foreign_key(
            op.f("fk_projects_team_id_teams"), "teams", ["team_id"], ["id"], ondelete="SET NULL"
        )


def _grants() -> None:
    op.create_table(
        "grants",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("holder_kind", sa.String(length=8), nullable=False),
        sa.Column("holder_id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("role", sa.String(length=63), nullable=False),
        sa.Column("since", sa.String(length=32), nullable=False),
        sa.Column("by", sa.String(length=255), nullable=False),
        sa.Column("expires_at", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
        sa.UniqueConstraint("holder_id", "project_id", "mode", name=op.f("uq_grants_holder_id")),
    )
    op.create_index("ix_grants_project", "grants", ["project_id"], unique=False)
    # Until now every member could do everything: nobody loses by the upgrade what an owner has not taken away.
    op.execute(
        sa.text(
            "INSERT INTO grants (id, holder_kind, holder_id, project_id, mode, role, since, by) "
            "SELECT 'grt_' || substr(id, 5), 'user', id, '', '', 'manager', created_at, 'upgrade' "
            "FROM users WHERE role = 'member'"
        )
    )
    op.create_table(
        "roles",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=False),
        sa.Column("actions", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_roles")),
    )
    op.create_table(
        "policies",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("in_force", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policies")),
        sa.UniqueConstraint("name", name=op.f("uq_policies_name")),
    )
    op.create_table(
        "policy_versions",
        sa.Column("policy_id", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("author", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["policy_id"], ["policies.id"], name=op.f("fk_policy_versions_policy_id_policies"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("policy_id", "version", name=op.f("pk_policy_versions")),
    )
    op.create_table(
        "policy_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_state")),
    )


def _audit_columns() -> None:
    for name, length in (
        ("actor_id", 64),
        ("actor_kind", 16),
        ("token", 64),
        ("address", 64),
        ("request", 64),
        ("action", 64),
        ("decision", 16),
        ("policy", 120),
    ):
        op.add_column("events", sa.Column(name, sa.String(length=length), nullable=True))
    op.create_index("ix_events_actor_seq", "events", ["actor", "seq"], unique=False)
    op.create_index("ix_events_action_seq", "events", ["action", "seq"], unique=False)
    op.create_index("ix_events_time", "events", ["time"], unique=False)


def _keys() -> None:
    op.create_table(
        "data_keys",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("master", sa.String(length=40), nullable=False),
        sa.Column("wrapped", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("retired_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_keys")),
    )


def _audit_search() -> None:
    op.create_index("ix_events_subject_seq", "events", ["subject", "seq"], unique=False)
    op.create_index("ix_events_request", "events", ["request"], unique=False)
    op.create_table(
        "audit_destinations",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("shown", sa.String(length=300), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("format", sa.String(length=16), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("former_secret", sa.Text(), nullable=False),
        sa.Column("former_until", sa.String(length=32), nullable=True),
        sa.Column("authorization", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("delivered", sa.BigInteger(), nullable=False),
        sa.Column("delivered_at", sa.String(length=32), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("failed_at", sa.String(length=32), nullable=True),
        sa.Column("next_at", sa.String(length=32), nullable=True),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_destinations")),
        sa.UniqueConstraint("name", name=op.f("uq_audit_destinations_name")),
    )


def _federation() -> None:
    op.create_table(
        "sign_in_providers",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("title", sa.String(length=120), nullable=False),
        sa.Column("issuer", sa.String(length=500), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("client_secret", sa.Text(), nullable=True),
        sa.Column("scopes", sa.String(length=500), nullable=False),
        sa.Column("group_claim", sa.String(length=120), nullable=False),
        sa.Column("group_rules", sa.Text(), nullable=False),
        sa.Column("creates_users", sa.Boolean(), nullable=False),
        sa.Column("domains", sa.Text(), nullable=False),
        sa.Column("email_trust", sa.String(length=16), nullable=False),
        sa.Column("vouched", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_providers")),
        sa.UniqueConstraint("name", name=op.f("uq_sign_in_providers_name")),
    )
    op.create_table(
        "identities",
        sa.Column("provider_id", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("last_used_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["provider_id"],
            ["sign_in_providers.id"],
            name=op.f("fk_identities_provider_id_sign_in_providers"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_identities_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("provider_id", "subject", name=op.f("pk_identities")),
    )
    op.create_index(op.f("ix_identities_user_id"), "identities", ["user_id"], unique=False)
    op.create_table(
        "sign_in_attempts",
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("browser", sa.String(length=64), nullable=False),
        sa.Column("provider_id", sa.String(length=40), nullable=False),
        sa.Column("next", sa.Text(), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["provider_id"],
            ["sign_in_providers.id"],
            name=op.f("fk_sign_in_attempts_provider_id_sign_in_providers"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("state", name=op.f("pk_sign_in_attempts")),
    )
    op.create_index(op.f("ix_sign_in_attempts_address"), "sign_in_attempts", ["address"], unique=False)
    op.create_table(
        "provider_sessions",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("provider_id", sa.String(length=40), nullable=False),
        sa.Column("logout_url", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["digest"], ["sessions.digest"], name=op.f("fk_provider_sessions_digest_sessions"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"],
            ["sign_in_providers.id"],
            name=op.f("fk_provider_sessions_provider_id_sign_in_providers"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_provider_sessions")),
    )
    op.create_index(op.f("ix_provider_sessions_provider_id"), "provider_sessions", ["provider_id"], unique=False)
    op.create_table(
        "trust_rules",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("issuer", sa.String(length=500), nullable=False),
        sa.Column("audience", sa.String(length=500), nullable=False),
        sa.Column("conditions", sa.Text(), nullable=False),
        sa.Column("account_id", sa.String(length=40), nullable=False),
        sa.Column("scopes", sa.String(length=120), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("once", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("last_used_at", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["users.id"], name=op.f("fk_trust_rules_account_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trust_rules")),
        sa.UniqueConstraint("name", name=op.f("uq_trust_rules_name")),
    )
    op.create_index(op.f("ix_trust_rules_account_id"), "trust_rules", ["account_id"], unique=False)
    op.create_table(
        "exchanged_tokens",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_exchanged_tokens")),
    )
    op.create_index(op.f("ix_exchanged_tokens_expires_at"), "exchanged_tokens", ["expires_at"], unique=False)


def _gates() -> None:
    op.add_column("deployments", sa.Column("turn", sa.Integer(), nullable=False, server_default="1"))
    op.create_table(
        "gates",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("place", sa.String(length=120), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=True),
        sa.Column("environment_id", sa.String(length=40), nullable=True),
        sa.Column("mode", sa.String(length=16), nullable=True),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("passes", sa.String(length=120), nullable=False),
        sa.Column("until", sa.String(length=32), nullable=True),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"],
            ["environments.id"],
            name=op.f("fk_gates_environment_id_environments"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_gates_project_id_projects"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gates")),
    )
    op.create_index(op.f("ix_gates_kind"), "gates", ["kind"], unique=False)
    op.create_index(op.f("ix_gates_place"), "gates", ["place"], unique=False)
    op.create_table(
        "deployment_waits",
        sa.Column("deployment_id", sa.String(length=40), nullable=False),
        *_place_of("deployment_waits"),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("authors", sa.Text(), nullable=False),
        sa.Column("closed", sa.Text(), nullable=False),
        sa.Column("voided", sa.Text(), nullable=False),
        sa.Column("since", sa.String(length=32), nullable=False),
        sa.Column("expires_at", sa.String(length=32), nullable=False),
        sa.Column("recheck_at", sa.String(length=32), nullable=True),
        sa.Column("looked_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("deployment_id", name=op.f("pk_deployment_waits")),
    )
    op.create_index(op.f("ix_deployment_waits_environment_id"), "deployment_waits", ["environment_id"], unique=False)
    op.create_index(op.f("ix_deployment_waits_recheck_at"), "deployment_waits", ["recheck_at"], unique=False)
    op.create_table(
        "approvals",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("deployment_id", sa.String(length=40), nullable=False),
        *_place_of("approvals"),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("user", sa.String(length=255), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
        sa.UniqueConstraint("deployment_id", "round", "user_id", name=op.f("uq_approvals_deployment_id")),
    )
    op.create_table(
        "gate_passes",
        sa.Column("deployment_id", sa.String(length=40), nullable=False),
        *_place_of("gate_passes"),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("closed", sa.Text(), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("deployment_id", name=op.f("pk_gate_passes")),
    )
    op.create_index(op.f("ix_gate_passes_at"), "gate_passes", ["at"], unique=False)
    op.create_index(op.f("ix_gate_passes_environment_id"), "gate_passes", ["environment_id"], unique=False)


def _place_of(table: str) -> list[sa.schema.SchemaItem]:
    """The columns of what belongs to a service in an environment, and goes with them."""
    return [
        sa.Column("service_id", sa.String(length=40), nullable=False),
        sa.Column("environment_id", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["service_id"], ["services.id"], name=op.f(f"fk_{table}_service_id_services"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["environment_id"],
            ["environments.id"],
            name=op.f(f"fk_{table}_environment_id_environments"),
            ondelete="CASCADE",
        ),
    ]


def _secrets() -> None:
    op.add_column("variables", sa.Column("kind", sa.String(length=16), nullable=False, server_default="plain"))
    op.add_column("variables", sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("variables", sa.Column("file", sa.String(length=255), nullable=False, server_default=""))
    op.add_column("variables", sa.Column("changed_by", sa.String(length=255), nullable=False, server_default=""))
    op.add_column("variables", sa.Column("changed_at", sa.String(length=32), nullable=False, server_default=""))
    op.create_table(
        "variable_versions",
        sa.Column("variable_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.String(length=255), nullable=False),
        sa.Column("changed_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["variable_id"],
            ["variables.id"],
            name=op.f("fk_variable_versions_variable_id_variables"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("variable_id", "number", name=op.f("pk_variable_versions")),
    )
    op.create_table(
        "secret_stores",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_secret_stores")),
        sa.UniqueConstraint("name", name=op.f("uq_secret_stores_name")),
    )


def _audit() -> None:
    op.create_table(
        "audit_tiles",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hashes", sa.Text(), nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=True),
        sa.Column("last_seq", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("level", "number", name=op.f("pk_audit_tiles")),
    )
    op.create_index("ix_audit_tiles_first_seq", "audit_tiles", ["first_seq"], unique=False)
    op.create_table(
        "audit_checkpoints",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.String(length=64), nullable=False),
        sa.Column("time", sa.String(length=32), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_audit_checkpoints")),
    )
    op.create_table(
        "audit_keys",
        sa.Column("key", sa.String(length=400), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_audit_keys")),
    )
    op.create_table(
        "audit_retentions",
        sa.Column("end", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("through_seq", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.String(length=64), nullable=False),
        sa.Column("time", sa.String(length=32), nullable=False),
        sa.Column("policy", sa.String(length=200), nullable=False),
        sa.Column("event_id", sa.String(length=40), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("end", name=op.f("pk_audit_retentions")),
    )
    op.create_table(
        "audit_settings",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_audit_settings")),
    )
    op.create_table(
        "audit_witnesses",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("address", sa.String(length=500), nullable=False),
        sa.Column("secret", sa.Text(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("next_at", sa.String(length=32), nullable=False),
        sa.Column("seen_at", sa.String(length=32), nullable=True),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_witnesses")),
    )
    _keep_append_only()


def _keep_append_only() -> None:
    """Triggers that refuse what would change the past. A table that a later migration copies has to get them again.

    What may be deleted is said by rows that are append-only themselves: an event that a statement of retention covers,
    and a checkpoint that is not the newest.
    """
    covered = "EXISTS (SELECT 1 FROM audit_retentions WHERE through_seq >= OLD.seq)"
    followed = "EXISTS (SELECT 1 FROM audit_checkpoints WHERE size > OLD.size)"
    if op.get_bind().dialect.name == "sqlite":
        grows = (
            "substr(NEW.hashes, 1, length(OLD.hashes)) = OLD.hashes"
            " AND NEW.level = OLD.level AND NEW.number = OLD.number AND NEW.first_seq IS OLD.first_seq"
        )
    else:
        grows = (
            "left(NEW.hashes, length(OLD.hashes)) = OLD.hashes"
            " AND NEW.level = OLD.level AND NEW.number = OLD.number"
            " AND NEW.first_seq IS NOT DISTINCT FROM OLD.first_seq"
        )
    never = "1 = 0"
    for table, may_update, may_delete in (
        ("events", never, covered),
        ("audit_tiles", grows, never),
        ("audit_checkpoints", never, followed),
        ("audit_keys", never, never),
        ("audit_retentions", never, never),
    ):
        _guard(table, "UPDATE", may_update)
        _guard(table, "DELETE", may_delete)


def _guard(table: str, verb: str, allowed: str) -> None:
    name, words = f"{table}_refuse_{verb.lower()}", f"{table} is append-only"
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            sa.text(
                f"CREATE TRIGGER {name} BEFORE {verb} ON {table} WHEN NOT ({allowed})"
                f" BEGIN SELECT RAISE(ABORT, '{words}'); END"
            )
        )
        return
    given = "NEW" if verb == "UPDATE" else "OLD"
    op.execute(
        sa.text(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF NOT ({allowed}) THEN RAISE EXCEPTION '{words}' USING ERRCODE = 'integrity_constraint_violation';"
            f" END IF; RETURN {given}; END $$"
        )
    )
    op.execute(sa.text(f"CREATE TRIGGER {name} BEFORE {verb} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"))
    if verb == "DELETE":
        op.execute(
            sa.text(
                f"CREATE FUNCTION {table}_refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                f" RAISE EXCEPTION '{words}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
            )
        )
        op.execute(
            sa.text(
                f"CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse_truncate()"
            )
        )


def _people() -> None:
    for name, length in (("origin", 16), ("made_by", 254), ("last_address", 64), ("last_origin", 16)):
        op.add_column("tokens", sa.Column(name, sa.String(length=length), nullable=True))
    op.create_table(
        "service_accounts",
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=False),
        sa.Column("team_id", sa.String(length=40), nullable=True),
        sa.Column("made_by", sa.String(length=254), nullable=False),
        sa.ForeignKeyConstraint(
            ["team_id"], ["teams.id"], name=op.f("fk_service_accounts_team_id_teams"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_service_accounts_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_service_accounts")),
    )
    op.create_table(
        "invitations",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("teams", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("made_by", sa.String(length=254), nullable=False),
        sa.Column("maker_id", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("expires_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("digest", name=op.f("uq_invitations_digest")),
        sa.UniqueConstraint("email", name=op.f("uq_invitations_email")),
    )
    op.create_table(
        "directory_users",
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("user_name", sa.String(length=254), nullable=False),
        sa.Column("folded_name", sa.String(length=254), nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=True),
        sa.Column("given_name", sa.String(length=120), nullable=False),
        sa.Column("family_name", sa.String(length=120), nullable=False),
        sa.Column("modified_at", sa.String(length=32), nullable=False),
        sa.Column("email_type", sa.String(length=40), nullable=True),
        sa.Column("email_primary", sa.Boolean(), nullable=True),
        sa.Column("deleted_at", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_directory_users_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_directory_users")),
        sa.UniqueConstraint("folded_name", name=op.f("uq_directory_users_folded_name")),
    )
    op.create_table(
        "directory_groups",
        sa.Column("team_id", sa.String(length=40), nullable=False),
        sa.Column("modified_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["team_id"], ["teams.id"], name=op.f("fk_directory_groups_team_id_teams"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("team_id", name=op.f("pk_directory_groups")),
    )
